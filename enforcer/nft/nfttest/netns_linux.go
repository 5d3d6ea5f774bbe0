package nfttest

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// NeedRoot skips the test unless it may make network namespaces.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces and loads nftables")
	}
}

// Namespace moves the test's goroutine to a new network namespace until the
// test ends.
func Namespace(t testing.TB) netns.NsHandle {
	t.Helper()
	NeedRoot(t)
	runtime.LockOSThread()
	was, err := netns.Get()
	if err != nil {
		t.Fatalf("network namespace of the test: %v", err)
	}
	ns, err := netns.New()
	if err != nil {
		t.Fatalf("new network namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := netns.Set(was); err != nil {
			t.Errorf("restore network namespace: %v", err)
			return // the thread stays locked and ends with its goroutine
		}
		runtime.UnlockOSThread()
		_ = ns.Close()
		_ = was.Close()
	})
	return ns
}

// Nft runs the nft program in the goroutine's namespace and returns what it
// prints.
func Nft(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, err := TryNft(stdin, args...)
	if err != nil {
		t.Fatalf("nft %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// TryNft is Nft that returns the error; the output includes standard error.
func TryNft(stdin string, args ...string) (string, error) {
	cmd := exec.Command("nft", args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// NeedNft skips the test if there is no nft program.
func NeedNft(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs the nft program (package nftables)")
	}
}

// FlushConntrack forgets the connections of the goroutine's namespace.
func FlushConntrack(t testing.TB) {
	t.Helper()
	if err := netlink.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
		t.Fatalf("flush conntrack: %v", err)
	}
}
