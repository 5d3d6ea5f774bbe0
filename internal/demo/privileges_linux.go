package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/sluice-net/sluice/internal/testbed/netns"
)

// inUserNamespace marks the process that Run starts in a user namespace.
const inUserNamespace = "SLUICE_DEMO_USER_NAMESPACE"

// privileges finds out whether this process may make network namespaces. Where
// it may not, the program runs once more as the root of a user namespace; then
// again is true, and all is done or failed.
func privileges(o Options) (again bool, err error) {
	ns, err := netns.New()
	if err == nil {
		defer ns.Close() //nolint:errcheck // empty
		if err := ns.SetSysctl("net/ipv4/ip_forward", "1"); err != nil {
			return false, fmt.Errorf("%w; the demo needs a writable /proc/sys/net, which containers often lack: run it outside, or in a privileged one", err)
		}
		return false, nil
	}
	if !errors.Is(err, os.ErrPermission) || os.Getenv(inUserNamespace) != "" {
		return false, fmt.Errorf("%w; the demo needs root, or user namespaces", err)
	}
	cmd := exec.CommandContext(context.Background(), "/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inUserNamespace+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, o.Out, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("neither root nor allowed to make a user namespace (%w): run the demo with sudo, or allow them: "+
			"sysctl -w kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)", err)
	}
	// An interrupt from the terminal reaches the child as well; others are
	// passed on.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		for s := range signals {
			if s == syscall.SIGTERM {
				_ = cmd.Process.Signal(s)
			}
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return true, ErrDiffers
	}
	if exit != nil {
		return true, fmt.Errorf("%w (the demo ran in a user namespace and has said why)", err)
	}
	return true, err
}
