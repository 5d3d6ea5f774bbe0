package netns

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/internal/testbed"
	"github.com/sluice-net/sluice/internal/testbed/netns"
	"github.com/sluice-net/sluice/internal/testbed/probe"
)

// plugins are where make cni puts the CNI plugins.
const plugins = "../../bin/cni"

// privileged skips the test where network namespaces cannot be made.
func privileged(t testing.TB) {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Skipf("needs root or a user namespace: %v", err)
	}
	defer ns.Close()
	if err := ns.SetSysctl("net/ipv4/ip_forward", "1"); err != nil {
		t.Skipf("needs a writable /proc/sys/net: %v", err)
	}
}

// cluster builds a cluster that ends with the test.
func cluster(t testing.TB, cfg testbed.Config) *testbed.Cluster {
	t.Helper()
	privileged(t)
	if cfg.Wiring != testbed.Plain {
		dir, err := testbed.FindPlugins(os.Getenv("SLUICE_CNI_BIN"), plugins)
		if err != nil {
			t.Skip(err)
		}
		cfg.Plugins = dir
	}
	c, err := testbed.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// pod adds a pod.
func pod(t testing.TB, c *testbed.Cluster, node string, spec testbed.PodSpec) *testbed.Pod {
	t.Helper()
	p, err := c.AddPod(t.Context(), node, spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// loadScript loads an nft script into the namespace of a host.
func loadScript(t testing.TB, h *testbed.Host, script string) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skipf("needs nft: %v", err)
	}
	err := h.Do(func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = bytes.NewBufferString(script)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("nft: %s", out)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// want sends probes and compares outcomes.
func want(t testing.TB, c *testbed.Cluster, probes []testbed.Probe, outcome func(i int) probe.Outcome) {
	t.Helper()
	for i, r := range c.Probe(t.Context(), probes, probe.Options{}) {
		if r.Outcome != outcome(i) {
			t.Errorf("%v: %v (%v), want %v", probes[i], r.Outcome, r.Err, outcome(i))
		}
	}
}

// namespaceInode identifies the namespace of a host while it exists.
func namespaceInode(t testing.TB, h *testbed.Host) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(h.Net().FD(), &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}
