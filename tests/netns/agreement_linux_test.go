package netns

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/enforcer/nft"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/gen"
	"github.com/sluice-net/sluice/internal/testbed"
	"github.com/sluice-net/sluice/internal/testbed/probe"
)

// What the kernel does equals what the oracle and the artifact say, for
// connections that aim at the edges of generated policies.
// SLUICE_KERNEL_CONNECTIONS says how many; SLUICE_KERNEL_SEED is the seed of
// the first cluster.
func TestKernelAgreesWithOracleAndArtifact(t *testing.T) {
	privileged(t)
	const perCluster = 200
	count, first := number(t, "SLUICE_KERNEL_CONNECTIONS", 600), number(t, "SLUICE_KERNEL_SEED", 1)
	var sent, let, silent atomic.Int64
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for int(next.Load())*perCluster < count && !t.Failed() {
				seed := uint64(first) + uint64(next.Add(1)) - 1
				a := newAgreement(t, seed)
				if a == nil {
					return
				}
				for _, difference := range a.run(perCluster) {
					t.Error(difference)
				}
				sent.Add(int64(len(a.all)))
				let.Add(int64(a.let))
				silent.Add(int64(len(a.all) - a.let))
			}
		})
	}
	wg.Wait()
	t.Logf("%d connections in %d clusters: %d let through, %d not", sent.Load(), next.Load(), let.Load(), silent.Load())
}

// The comparison can fail: without rules in the kernel it does.
func TestAgreementNoticesMissingRules(t *testing.T) {
	privileged(t)
	a := newAgreement(t, 1)
	if a == nil {
		return
	}
	for _, n := range a.c.Nodes {
		loadScript(t, n.Host, "flush ruleset")
	}
	if len(a.run(200)) == 0 {
		t.Error("no difference without any rules")
	}
}

func number(t *testing.T, env string, otherwise int) int {
	t.Helper()
	s := os.Getenv(env)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	return n
}

// agreement is one generated cluster, running.
type agreement struct {
	t      *testing.T
	seed   uint64
	snap   *model.Snapshot
	rs     *artifact.Ruleset
	ends   *artifact.Resolver
	oracle *oracle.Evaluator
	c      *testbed.Cluster
	hosts  map[netip.Addr]*testbed.Host
	all    []attempt
	let    int
	seen   map[[2]netip.Addr]bool // pairs probed with a protocol without ports
}

// attempt is a connection and what must become of it.
type attempt struct {
	testbed.Probe
	allow bool
	why   string
}

// elsewhere is a node that only pods know of: the ruleset does not have it and
// nothing is enforced on it.
const elsewhere = "n9"

// newAgreement builds the cluster of a seed and has every node enforce its
// ruleset; nil after an error.
func newAgreement(t *testing.T, seed uint64) *agreement {
	a := &agreement{
		t: t, seed: seed,
		snap:  gen.Cluster(gen.Options{Seed: seed, Tiers: seed%2 == 0}),
		hosts: make(map[netip.Addr]*testbed.Host),
		seen:  make(map[[2]netip.Addr]bool),
	}
	if err := a.build(); err != nil {
		t.Errorf("seed %d: %v", seed, err)
		if a.c != nil {
			_ = a.c.Close()
		}
		return nil
	}
	return a
}

func (a *agreement) build() error {
	rs, ds := compiler.Compile(a.snap, compiler.Options{})
	if rs == nil {
		return fmt.Errorf("compile: %v", ds)
	}
	// What is enforced has been a file.
	file, err := artifact.Encode(rs)
	if err != nil {
		return err
	}
	if a.rs, err = artifact.Decode(bytes.NewReader(file), artifact.Limits{}); err != nil {
		return err
	}
	a.ends, a.oracle = artifact.NewResolver(a.rs), oracle.New(a.snap, oracle.Options{})

	cfg := testbed.Config{Wiring: testbed.Plain}
	for _, n := range a.snap.Nodes {
		cfg.Nodes = append(cfg.Nodes, testbed.NodeConfig{Name: n.Name, Addresses: n.Addresses, PodCIDRs: n.PodCIDRs})
	}
	cfg.Nodes = append(cfg.Nodes, testbed.NodeConfig{
		Name: elsewhere, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}, PodCIDRs: []netip.Prefix{},
	})
	if a.c, err = testbed.New(a.t.Context(), cfg); err != nil {
		return err
	}
	for _, n := range a.c.Nodes {
		for _, addr := range n.Addresses {
			a.hosts[addr] = n.Host
		}
		if n.Name == elsewhere {
			continue
		}
		if err := enforce(a.t, n, a.rs); err != nil {
			return err
		}
	}
	for i := range a.snap.Pods {
		p := &a.snap.Pods[i]
		if p.Finished || p.HostNetwork || p.StandIn || len(p.Addresses) == 0 {
			continue
		}
		pod, err := a.c.AddPod(a.t.Context(), p.Node, testbed.PodSpec{Namespace: p.Namespace, Name: p.Name, Addresses: p.Addresses})
		if err != nil {
			return err
		}
		// Who has no SCTP in the kernel has it in the station.
		if _, err := pod.Station(); err != nil {
			return err
		}
		for _, addr := range p.Addresses {
			a.hosts[addr] = pod.Host
		}
	}
	return nil
}

// enforce loads a node's table into the node's kernel.
func enforce(t *testing.T, n *testbed.Node, rs *artifact.Ruleset) error {
	return n.Do(func() error {
		k, err := nft.Open(n.Name, nft.Options{})
		if err != nil {
			return err
		}
		defer k.Close() //nolint:errcheck // the rules stand
		_, err = k.Sync(t.Context(), rs)
		return err
	})
}

// run probes n connections, closes the cluster, and returns where the kernel
// differs.
func (a *agreement) run(n int) (differences []string) {
	defer func() {
		if err := a.c.Close(); err != nil {
			a.t.Error(err)
		}
	}()
	prober := gen.NewProber(a.snap, a.seed)
	for tries := 0; len(a.all) < n && tries < 10*n; tries++ {
		if at, ok := a.attempt(prober.Next()); ok {
			a.all = append(a.all, at)
		}
	}
	probes, through := make([]testbed.Probe, len(a.all)), make([]bool, len(a.all))
	for i, at := range a.all {
		probes[i], through[i] = at.Probe, at.allow
	}
	results := a.c.Check(a.t.Context(), probes, through)
	for i, r := range results {
		at := a.all[i]
		if r.Outcome.LetThrough() {
			a.let++
		}
		if r.Outcome == probe.Error || r.Outcome.LetThrough() != at.allow {
			differences = append(differences, fmt.Sprintf("seed %d: %v: %v (%v), want let through %v: %s",
				a.seed, at.Probe, r.Outcome, r.Err, at.allow, at.why))
		}
	}
	return differences
}

// attempt turns a generated connection into a probe; ok is false for what
// cannot be on the wire.
func (a *agreement) attempt(c oracle.Connection) (at attempt, ok bool) {
	src, dst := c.Src.Addr, c.Dst.Addr
	if !onWire(src) || !onWire(dst) {
		return at, false
	}
	if c.Protocol == 47 {
		// Kernels may know GRE; nobody knows this one.
		c.Protocol = 200
		// Without ports, what one end sends looks like the answer to what the
		// other has sent.
		if a.seen[[2]netip.Addr{dst, src}] {
			return at, false
		}
		a.seen[[2]netip.Addr{src, dst}] = true
	}
	// A packet has addresses only.
	c.Src, c.Dst = oracle.End{Addr: src}, oracle.End{Addr: dst}
	want := a.oracle.Decide(c)
	got := a.rs.Decide(artifact.Flow{Src: a.ends.Addr(src), Dst: a.ends.Addr(dst), Protocol: uint8(c.Protocol), Port: c.Port})
	if uint8(want.Verdict) != uint8(got.Verdict) {
		a.t.Errorf("seed %d: %v: the oracle says %v, the artifact %v", a.seed, c, want.Verdict, got.Verdict)
		return at, false
	}
	at.Probe = testbed.Probe{From: a.hosts[src], Src: src, Dst: dst, Protocol: uint8(c.Protocol), Port: c.Port}
	at.allow = true
	at.why = "egress " + describe(want.Egress) + ", ingress " + describe(want.Ingress)
	for _, end := range []struct {
		addr netip.Addr
		d    *oracle.Decision
	}{{src, want.Egress}, {dst, want.Ingress}} {
		// Each end's policies are enforced on its own node.
		if end.d != nil && end.d.Verdict == model.Deny && a.enforced(end.addr) {
			at.allow = false
		}
	}
	if a.hosts[src] == nil {
		if a.inPodRange(src) {
			return at, false // nobody could send this from there
		}
		at.From = a.c.Outside
	}
	if a.hosts[dst] == nil && a.inPodRange(dst) {
		if a.inRangeOf(at.From, dst) {
			return at, false // there is no route to it
		}
		at.allow = false
		at.why = "an address of the node's range that no pod has"
	}
	for _, addr := range []netip.Addr{src, dst} {
		if a.hosts[addr] == nil && !a.inPodRange(addr) {
			if err := a.c.AnswerFor(netip.PrefixFrom(addr, addr.BitLen())); err != nil {
				a.t.Errorf("seed %d: %v", a.seed, err)
				return at, false
			}
		}
	}
	return at, true
}

func describe(d *oracle.Decision) string {
	if d == nil {
		return "ungoverned"
	}
	return fmt.Sprintf("%v by %v %s %s", d.Verdict, d.Basis, d.Policy(), d.Rule())
}

// onWire reports whether the address can be either end of a connection.
func onWire(a netip.Addr) bool {
	return a.IsValid() && a.IsGlobalUnicast() && !(a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240))
}

// enforced reports whether the pod with this address is on a node that
// enforces.
func (a *agreement) enforced(addr netip.Addr) bool {
	end := a.oracle.At(addr)
	return end.Pod != nil && end.Pod.Node != elsewhere
}

// inRangeOf reports whether the host is the node whose pods have the address.
func (a *agreement) inRangeOf(h *testbed.Host, addr netip.Addr) bool {
	n := a.c.Node(h.Name)
	return n != nil && slices.ContainsFunc(n.PodCIDRs, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// inPodRange reports whether the address belongs to the pods of a node.
func (a *agreement) inPodRange(addr netip.Addr) bool {
	return slices.ContainsFunc(a.snap.Nodes, func(n model.Node) bool {
		return slices.ContainsFunc(n.PodCIDRs, func(p netip.Prefix) bool { return p.Contains(addr) })
	})
}
