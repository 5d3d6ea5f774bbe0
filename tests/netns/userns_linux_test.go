package netns

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// inUserNamespace marks the child of TestInUserNamespace.
const inUserNamespace = "SLUICE_TEST_USERNS"

// Testbed, enforcement and demo work without root: their tests pass as the root of a user
// namespace, which anybody may make on most machines.
func TestInUserNamespace(t *testing.T) {
	if os.Getenv(inUserNamespace) != "" {
		t.Skip("in a user namespace already")
	}
	cmd := exec.Command(os.Args[0], "-test.v", "-test.run",
		"^(TestEverythingReachesEverything|TestFirewallIsSeen|TestCloseLeavesNothing|TestKernelAgreesWithOracleAndArtifact|TestDemo)$")
	cmd.Env = append(os.Environ(), inUserNamespace+"=1", sluicedPath+"="+sluiced(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if len(out) == 0 && err != nil {
		t.Skipf("user namespaces are not allowed here: %v", err)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
