package netns

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func privileged(t *testing.T) *Namespace {
	t.Helper()
	n, err := New()
	if err != nil {
		t.Skipf("needs CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func thread(t *testing.T) string {
	t.Helper()
	s, err := os.Readlink(self)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDo(t *testing.T) {
	a, b := privileged(t), privileged(t)
	before := thread(t)
	seen := map[string]bool{before: true}
	err := a.Do(func() error {
		seen[thread(t)] = true
		ifs, err := net.Interfaces()
		if err != nil || len(ifs) != 1 || ifs[0].Name != "lo" {
			t.Errorf("interfaces of a new namespace: %v, %v", ifs, err)
		}
		inner := thread(t)
		if err := b.Do(func() error { seen[thread(t)] = true; return nil }); err != nil {
			return err
		}
		if got := thread(t); got != inner {
			t.Errorf("after a nested call: %s, want %s", got, inner)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 {
		t.Errorf("namespaces seen: %v, want three", seen)
	}
	if got := thread(t); got != before {
		t.Errorf("after Do: %s, want %s", got, before)
	}
}

func TestDoReturnsAfterPanic(t *testing.T) {
	n := privileged(t)
	before := thread(t)
	func() {
		defer func() { _ = recover() }()
		_ = n.Do(func() error { panic("on purpose") })
	}()
	if got := thread(t); got != before {
		t.Errorf("after a panic: %s, want %s", got, before)
	}
}

func TestSysctl(t *testing.T) {
	n := privileged(t)
	if err := n.SetSysctl("net/ipv4/ip_default_ttl", "77"); err != nil {
		t.Skipf("/proc/sys is not writable: %v", err)
	}
	if got, err := n.Sysctl("net/ipv4/ip_default_ttl"); got != "77" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_default_ttl"); err == nil && strings.TrimSpace(string(b)) == "77" {
		t.Error("the sysctl changed outside the namespace")
	}
}

func TestPathLeadsOtherProcesses(t *testing.T) {
	n := privileged(t)
	var want string
	if err := n.Do(func() error { want = thread(t); return nil }); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("readlink", n.Path()).Output()
	if err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("readlink %s: %q, %v; want %s", n.Path(), out, err, want)
	}
}
