package nft_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/enforcer/nft"
	"github.com/sluice-net/sluice/enforcer/nft/nfttest"
	"github.com/sluice-net/sluice/internal/artifact"
)

// conntrackAlone is what a node without policies has: connections are tracked.
const conntrackAlone = `table inet alone { chain forward {
	type filter hook forward priority filter - 10; policy accept;
	ct state vmap { established : accept, related : accept, invalid : drop }
}; }`

// perRound is how many packets a layout gets before it is the next one's turn.
const perRound = 4000

// layout is one of the things that are compared.
type layout struct {
	name   string
	wire   *nfttest.Wire
	frames [][]byte
	took   []time.Duration // one per round
}

// base is the layout that the others are compared with.
const base = "conntrack"

// BenchmarkFirstPacket measures what the first packet of a connection costs
// that passes a node. One iteration is one round, in which every layout gets
// its turn; it reports for each the lower quartile of all rounds in ns per
// packet, and its ratio to connection tracking alone. Run it with
// -benchtime=200x.
func BenchmarkFirstPacket(b *testing.B) {
	compare(b, newLayouts(b), (*nfttest.Wire).Forget)
}

// BenchmarkEstablished is BenchmarkFirstPacket for the later packets.
func BenchmarkEstablished(b *testing.B) {
	layouts := newLayouts(b)
	for _, l := range layouts {
		l.frames = establish(b, l)
	}
	compare(b, layouts, func(*nfttest.Wire, testing.TB) {})
}

// BenchmarkFolding is BenchmarkFirstPacket for pods with policies for several
// different ports: as rules of their own, and folded into one.
func BenchmarkFolding(b *testing.B) {
	var s layouts
	s.begin(b)
	for _, n := range []int{2, 3, 4, 6, 10, 20} {
		c := nfttest.Cluster{Local: 100, Remote: 9980, Groups: 499, PerPod: n, Ports: n}
		for name, lookups := range map[string]int{"rules": n, "folded": 0} {
			s.add(fmt.Sprintf("%d%s", n, name), c, func(rs *artifact.Ruleset) {
				t, err := nft.RenderFolding(rs, "n1", lookups, 1<<16, 1<<16, 1<<16)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := open(b, "n1", nft.Options{}).Apply(b.Context(), t); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
	compare(b, s.all, (*nfttest.Wire).Forget)
}

// layouts are made one after the other and measured in turns.
type layouts struct {
	b   *testing.B
	all []*layout
}

// begin starts with connection tracking alone.
func (s *layouts) begin(b *testing.B) {
	nfttest.NeedNft(b)
	nfttest.Namespace(b)
	pin(b)
	s.b = b
	s.add(base, nfttest.Cluster{Local: 100, Remote: 9980, Groups: 499, PerPod: 1, Ports: 10}, func(*artifact.Ruleset) {
		nfttest.Nft(b, conntrackAlone, "-f", "-")
	})
}

func (s *layouts) add(name string, c nfttest.Cluster, load func(rs *artifact.Ruleset)) {
	s.addPairs(name, c, perRound, load)
}

func (s *layouts) addPairs(name string, c nfttest.Cluster, pairs int, load func(rs *artifact.Ruleset)) {
	rs := c.Ruleset(s.b)
	l := &layout{name: name}
	l.wire = nfttest.NewWire(s.b, fmt.Sprintf("w%d", len(s.all)), func() { load(rs) })
	l.frames = l.wire.Frames(0, allowedFlows(s.b, rs, c, perRound, pairs))
	s.all = append(s.all, l)
}

func newLayouts(b *testing.B) []*layout {
	var s layouts
	s.begin(b)
	enforce := func(rs *artifact.Ruleset) { sync(b, open(b, "n1", nft.Options{}), rs, nft.Replaced) }
	cluster := func(local, perPod int) nfttest.Cluster {
		return nfttest.Cluster{Local: local, Remote: 9980, Groups: 499, PerPod: perPod, Ports: 10}
	}
	s.add("forward", cluster(100, 1), func(*artifact.Ruleset) {})
	s.add("0", cluster(100, 0), enforce)
	s.add("100", cluster(100, 1), enforce)
	s.add("1000", cluster(100, 10), enforce)
	s.add("10000", cluster(100, 100), enforce)
	s.addPairs("10000-64pairs", cluster(100, 100), 64, enforce)
	s.add("10000pods", cluster(10_000, 1), enforce)
	s.add("50on1", cluster(1, 50), enforce)
	return s.all
}

// allowedFlows returns n first packets of different connections that rs
// allows, between so many distinct pairs of pods.
func allowedFlows(t testing.TB, rs *artifact.Ruleset, c nfttest.Cluster, n, distinct int) []nfttest.Packet {
	r := rand.New(rand.NewPCG(1, 1))
	res := artifact.NewResolver(rs)
	var out []nfttest.Packet
	for len(out) < n {
		if i := len(out); i >= distinct {
			p := out[i-distinct]
			p.ID = uint16(1024 + i)
			out = append(out, p)
			continue
		}
		src, dst := nfttest.RemoteAddr(r.IntN(c.Remote)), nfttest.LocalAddr(r.IntN(c.Local))
		if c.PerPod > 0 { // a source that one of the pod's policies allows
			policy := c.PerPod*int(dst.As4()[3]-1) + r.IntN(c.PerPod)
			if c.Local > 250 {
				policy = r.IntN(c.Local * c.PerPod)
				dst = nfttest.LocalAddr(policy / c.PerPod)
			}
			src = nfttest.RemoteAddr(policy%c.Groups + c.Groups*r.IntN(c.Remote/c.Groups))
			f := artifact.Flow{Src: res.Addr(src), Dst: res.Addr(dst), Protocol: 17, Port: uint16(8000 + policy%c.Ports)}
			if rs.Decide(f).Verdict != artifact.Allow {
				t.Fatalf("flow %v to %v port %d is denied", src, dst, f.Port)
			}
			out = append(out, nfttest.Packet{Src: src, Dst: dst, Protocol: 17, Port: f.Port, ID: uint16(1024 + len(out))})
			continue
		}
		out = append(out, nfttest.Packet{Src: src, Dst: dst, Protocol: 17, Port: 8000, ID: uint16(1024 + len(out))})
	}
	return out
}

// establish makes connections that have seen a reply and returns packets of
// them.
func establish(t testing.TB, l *layout) [][]byte {
	t.Helper()
	const connections = 64
	first := l.frames[:connections]
	l.wire.Send(t, 0, first)
	l.wire.Send(t, 1, l.wire.Replies(first))
	l.wire.Send(t, 0, first)
	var out [][]byte
	for len(out) < perRound {
		out = append(out, first...)
	}
	return out
}

func compare(b *testing.B, layouts []*layout, before func(*nfttest.Wire, testing.TB)) {
	for _, l := range layouts {
		l.took = l.took[:0]
	}
	for b.Loop() {
		for _, l := range layouts {
			before(l.wire, b)
			arrived := l.wire.Arrived(b, 1)
			start := time.Now()
			l.wire.Send(b, 0, l.frames)
			l.took = append(l.took, time.Since(start))
			if n := l.wire.Arrived(b, 1) - arrived; n < uint64(len(l.frames)) {
				b.Fatalf("%s: %d of %d packets arrived", l.name, n, len(l.frames))
			}
		}
	}
	quartile := func(l *layout) float64 {
		slices.Sort(l.took)
		return float64(l.took[len(l.took)/4].Nanoseconds()) / float64(len(l.frames))
	}
	i := slices.IndexFunc(layouts, func(l *layout) bool { return l.name == base })
	unit := quartile(layouts[i])
	b.ReportMetric(0, "ns/op")
	for _, l := range layouts {
		q := quartile(l)
		b.ReportMetric(q, "ns:"+l.name)
		b.ReportMetric(q/unit, "x:"+l.name)
	}
}

// pin keeps the goroutine's thread, and so the packets, on one CPU.
func pin(t testing.TB) {
	t.Helper()
	var was, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &was); err != nil {
		t.Fatal(err)
	}
	one.Set(0)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.SchedSetaffinity(0, &was) })
}
