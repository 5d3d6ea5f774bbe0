package netns

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/enforcer/nft"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/gen"
	"github.com/sluice-net/sluice/internal/testbed"
	"github.com/sluice-net/sluice/internal/testbed/probe"
)

// generated is a cluster made from a seed, running. Its pods stay what they
// were at first; what is enforced may change.
type generated struct {
	t       *testing.T
	seed    uint64
	round   uint64
	cluster *testbed.Cluster
	hosts   map[netip.Addr]*testbed.Host
	kernels map[*testbed.Node]*nft.Kernel

	snap   *model.Snapshot
	rs     *artifact.Ruleset
	ends   *artifact.Resolver
	oracle *oracle.Evaluator
}

// elsewhere is a node that only pods know of: the ruleset does not have it and
// nothing is enforced on it.
const elsewhere = "n9"

// generate builds the cluster of a seed and has every node enforce its
// ruleset; nil after an error.
func generate(t *testing.T, seed uint64) *generated {
	g := &generated{
		t: t, seed: seed,
		hosts:   make(map[netip.Addr]*testbed.Host),
		kernels: make(map[*testbed.Node]*nft.Kernel),
	}
	snap := gen.Cluster(gen.Options{Seed: seed, Tiers: seed%2 == 0})
	err := g.build(snap)
	if err == nil {
		_, err = g.enforce(snap)
	}
	if err != nil {
		t.Errorf("seed %d: %v", seed, err)
		g.close()
		return nil
	}
	return g
}

func (g *generated) close() {
	var errs []error
	for _, k := range g.kernels {
		errs = append(errs, k.Close())
	}
	if g.cluster != nil {
		errs = append(errs, g.cluster.Close())
	}
	if err := errors.Join(errs...); err != nil {
		g.t.Error(err)
	}
}

// build starts nodes and pods.
func (g *generated) build(snap *model.Snapshot) (err error) {
	cfg := testbed.Config{Wiring: testbed.Plain}
	for _, n := range snap.Nodes {
		cfg.Nodes = append(cfg.Nodes, testbed.NodeConfig{Name: n.Name, Addresses: n.Addresses, PodCIDRs: n.PodCIDRs})
	}
	cfg.Nodes = append(cfg.Nodes, testbed.NodeConfig{
		Name: elsewhere, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}, PodCIDRs: []netip.Prefix{},
	})
	if g.cluster, err = testbed.New(g.t.Context(), cfg); err != nil {
		return err
	}
	for _, n := range g.cluster.Nodes {
		for _, addr := range n.Addresses {
			g.hosts[addr] = n.Host
		}
	}
	for i := range snap.Pods {
		p := &snap.Pods[i]
		if p.Finished || p.HostNetwork || p.StandIn || len(p.Addresses) == 0 {
			continue
		}
		pod, err := g.cluster.AddPod(g.t.Context(), p.Node, testbed.PodSpec{Namespace: p.Namespace, Name: p.Name, Addresses: p.Addresses})
		if err != nil {
			return err
		}
		for _, addr := range p.Addresses {
			g.hosts[addr] = pod.Host
		}
	}
	return nil
}

// enforce compiles a snapshot and has every node enforce it. Connections that
// the kernel knows are forgotten.
func (g *generated) enforce(snap *model.Snapshot) (reports []nft.Report, err error) {
	rs, ds := compiler.Compile(snap, compiler.Options{})
	if rs == nil {
		return nil, fmt.Errorf("compile: %v", ds)
	}
	// What is enforced has been a file.
	file, err := artifact.Encode(rs)
	if err != nil {
		return nil, err
	}
	if g.rs, err = artifact.Decode(bytes.NewReader(file), artifact.Limits{}); err != nil {
		return nil, err
	}
	g.snap, g.ends, g.oracle = snap, artifact.NewResolver(g.rs), oracle.New(snap, oracle.Options{})
	for _, n := range g.cluster.Nodes {
		if n.Name == elsewhere {
			continue
		}
		err := n.Do(func() (err error) {
			k := g.kernels[n]
			if k == nil {
				if k, err = nft.Open(n.Name, nft.Options{}); err != nil {
					return err
				}
				g.kernels[n] = k
			}
			r, err := k.Sync(g.t.Context(), g.rs)
			if err != nil {
				return err
			}
			reports = append(reports, r)
			return netlink.ConntrackTableFlush(netlink.ConntrackTable)
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
	}
	return reports, nil
}

// attempt is a connection and what must become of it.
type attempt struct {
	testbed.Probe
	allow bool
	why   string
}

// observation is what became of some connections.
type observation struct {
	sent, through int
	differences   []string
}

// probe makes n connections that aim at the edges of what is enforced.
func (g *generated) probe(n int) (o observation) {
	g.round++
	prober := gen.NewProber(g.snap, g.seed+g.round<<32)
	portless := make(map[[2]netip.Addr]bool)
	var all []attempt
	for tries := 0; len(all) < n && tries < 10*n; tries++ {
		if at, ok := g.attempt(prober.Next(), portless); ok {
			all = append(all, at)
		}
	}
	probes, through := make([]testbed.Probe, len(all)), make([]bool, len(all))
	for i, at := range all {
		probes[i], through[i] = at.Probe, at.allow
	}
	o.sent = len(all)
	for i, r := range g.cluster.Check(g.t.Context(), probes, through) {
		if r.Outcome.LetThrough() {
			o.through++
		}
		if r.Outcome == probe.Error || r.Outcome.LetThrough() != all[i].allow {
			o.differences = append(o.differences, fmt.Sprintf("seed %d, round %d: %v: %v (%v), want let through %v: %s",
				g.seed, g.round, probes[i], r.Outcome, r.Err, all[i].allow, all[i].why))
		}
	}
	return o
}

// attempt turns a generated connection into a probe; ok is false for what
// cannot be on the wire. portless remembers the pairs that were probed with a
// protocol without ports: what one end sends then looks like the answer to
// what the other has sent.
func (g *generated) attempt(c oracle.Connection, portless map[[2]netip.Addr]bool) (at attempt, ok bool) {
	src, dst := c.Src.Addr, c.Dst.Addr
	if !onWire(src) || !onWire(dst) {
		return at, false
	}
	if c.Protocol == 47 {
		c.Protocol = 200 // kernels may know GRE; nobody knows this one
		if portless[[2]netip.Addr{dst, src}] {
			return at, false
		}
		portless[[2]netip.Addr{src, dst}] = true
	}
	// A packet has addresses only.
	c.Src, c.Dst = oracle.End{Addr: src}, oracle.End{Addr: dst}
	want := g.oracle.Decide(c)
	got := g.rs.Decide(artifact.Flow{Src: g.ends.Addr(src), Dst: g.ends.Addr(dst), Protocol: uint8(c.Protocol), Port: c.Port})
	if uint8(want.Verdict) != uint8(got.Verdict) {
		g.t.Errorf("seed %d: %v: the oracle says %v, the artifact %v", g.seed, c, want.Verdict, got.Verdict)
		return at, false
	}
	at.Probe = testbed.Probe{From: g.hosts[src], Src: src, Dst: dst, Protocol: uint8(c.Protocol), Port: c.Port}
	at.why = "egress " + describe(want.Egress) + ", ingress " + describe(want.Ingress)
	// Each end's policies are enforced on its own node.
	at.allow = !(denies(want.Egress) && g.enforced(src)) && !(denies(want.Ingress) && g.enforced(dst))
	for _, addr := range []netip.Addr{src, dst} {
		if g.hosts[addr] != nil {
			continue
		}
		if node := g.nodeOf(addr); node != nil && (addr == src || at.From == node.Host) {
			return at, false // nobody could send this from there; or there is no route to it
		} else if node != nil {
			continue
		}
		if err := g.cluster.AnswerFor(netip.PrefixFrom(addr, addr.BitLen())); err != nil {
			g.t.Errorf("seed %d: %v", g.seed, err)
			return at, false
		}
	}
	if at.From == nil {
		at.From = g.cluster.Outside
	}
	if (g.unknown(src) || g.unknown(dst)) && src != dst && !g.fromOwnNode(at.Probe) {
		at.allow, at.why = false, "an address of a node's range that no pod has"
	}
	return at, true
}

func denies(d *oracle.Decision) bool { return d != nil && d.Verdict == model.Deny }

func describe(d *oracle.Decision) string {
	if d == nil {
		return "ungoverned"
	}
	return fmt.Sprintf("%v by %v %s %s", d.Verdict, d.Basis, d.Policy(), d.Rule())
}

// onWire reports whether the address can be either end of a connection.
func onWire(a netip.Addr) bool {
	return a.IsValid() && a.IsGlobalUnicast() && (a.Is6() || a.As4()[0] > 0 && a.As4()[0] < 240)
}

// enforced reports whether the pod with this address is on a node that
// enforces.
func (g *generated) enforced(addr netip.Addr) bool {
	end := g.oracle.At(addr)
	return end.Pod != nil && end.Pod.Node != elsewhere
}

// nodeOf returns the node to whose pods the address belongs, or nil.
func (g *generated) nodeOf(addr netip.Addr) *testbed.Node {
	i := slices.IndexFunc(g.cluster.Nodes, func(n *testbed.Node) bool {
		return slices.ContainsFunc(n.PodCIDRs, func(p netip.Prefix) bool { return p.Contains(addr) })
	})
	if i < 0 {
		return nil
	}
	return g.cluster.Nodes[i]
}

// unknown reports whether the address is in a node's range and the ruleset has
// no pod with it: nothing goes there or comes from there.
func (g *generated) unknown(addr netip.Addr) bool {
	return g.nodeOf(addr) != nil && g.oracle.At(addr).Pod == nil
}

// fromOwnNode reports whether a node calls one of its own pods.
func (g *generated) fromOwnNode(p testbed.Probe) bool {
	n := g.nodeOf(p.Dst)
	return n != nil && n.Host == p.From
}
