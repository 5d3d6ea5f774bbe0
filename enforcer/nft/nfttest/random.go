package nfttest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/internal/artifact"
)

// Random returns a small ruleset of nodes "n1" and "n2" in which every kind of
// clause but domains may occur. Rulesets of neighbouring seeds have much in
// common: names, addresses and some policies.
func Random(t testing.TB, seed uint64) *artifact.Ruleset {
	r := rand.New(rand.NewPCG(seed, 2))
	shared := rand.New(rand.NewPCG(seed/4, 3)) // policies of a few seeds are the same
	b := New()
	b.Generation(seed)
	if shared.IntN(4) == 0 {
		b.Default(artifact.Deny)
	}
	g := &generator{b: b, r: shared}
	profiles := [2][]artifact.ProfileID{{0}, {0}}
	for range 5 {
		for _, dir := range []artifact.Direction{artifact.Ingress, artifact.Egress} {
			if p := g.profile(dir); p != 0 {
				profiles[dir] = append(profiles[dir], p)
			}
		}
	}
	for range shared.IntN(2) * 3 { // now and then a policy that only this seed has
		g.r = r
		profiles[artifact.Ingress] = append(profiles[artifact.Ingress], g.profile(artifact.Ingress))
	}
	var classes []artifact.ClassID
	for range 8 {
		in, eg := profiles[artifact.Ingress], profiles[artifact.Egress]
		classes = append(classes, b.Class(in[r.IntN(len(in))], eg[r.IntN(len(eg))], g.groups(r)...))
	}
	nodeClass := b.Class(0, 0, g.groups(shared)...)
	n1 := b.Node("n1", nodeClass, []string{"172.16.0.1", "fd16::1"}, "10.244.1.0/24", "fd44:1::/64")
	n2 := b.Node("n2", 0, []string{"172.16.0.2", "fd16::2"}, "10.244.2.0/24", "fd44:2::/64")
	for i := range 12 {
		if i != 8 && r.IntN(4) == 0 {
			continue
		}
		node, third := n1, byte(1)
		if i%2 == 1 {
			node, third = n2, 2
		}
		if i >= 8 { // outside of the node's ranges
			third = 7
		}
		v4 := netip.AddrFrom4([4]byte{10, 244, third, byte(2 + i)})
		v6 := netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x44, 3: third, 15: byte(2 + i)})
		addrs := [][]netip.Addr{{v4, v6}, {v6, v4}, {v4}, {v6}}[r.IntN(4)]
		if i == 8 {
			addrs = []netip.Addr{v4, v6}
		}
		b.PodAt(fmt.Sprintf("pod%d", i), node, classes[r.IntN(len(classes))], addrs...)
	}
	return b.Ruleset(t)
}

type generator struct {
	b *Builder
	r *rand.Rand
}

var groupNames = []string{"a", "b", "c", "d", "e", "f"}

func (g *generator) groups(r *rand.Rand) []string {
	var out []string
	for _, n := range groupNames {
		if r.IntN(3) == 0 {
			out = append(out, n)
		}
	}
	return out
}

func (g *generator) profile(dir artifact.Direction) artifact.ProfileID {
	var tiers []artifact.TierID
	for _, kind := range []artifact.TierKind{artifact.TierAdmin, artifact.TierSegment, artifact.TierNamespace, artifact.TierBaseline} {
		if g.r.IntN(2) == 0 {
			continue
		}
		verdicts := []artifact.Verdict{artifact.Allow, artifact.Deny, artifact.Pass}
		end := artifact.Pass
		switch kind {
		case artifact.TierNamespace:
			verdicts, end = verdicts[:1], artifact.Deny
		case artifact.TierBaseline:
			verdicts = verdicts[:2]
		default: // any verdict
		}
		var clauses []Clause
		for i := range g.r.IntN(9) {
			clauses = append(clauses, Clause{
				Verdict: verdicts[g.r.IntN(len(verdicts))],
				Peer:    g.peer(), Ports: g.ports(), Policy: fmt.Sprintf("p%d", i),
			})
		}
		tiers = append(tiers, g.b.Tier(dir, kind, end, clauses...))
	}
	return g.b.Profile(dir, tiers...)
}

func (g *generator) peer() artifact.Peer {
	blocks := [][]string{
		{"10.244.1.0/24"},
		{"10.244.0.0-10.244.1.5", "10.244.2.3-10.244.2.9", "fd44:1::/120"},
		{"172.16.0.0/12", "192.0.2.0/24", "fd00::/8"},
		{"192.0.2.5", "2001:db8::/32"},
		{"0.0.0.0/0"},
		{"::/0"},
		{"0.0.0.0-10.244.1.4", "10.244.1.6-255.255.255.255", "::-fd44:1::4", "fd44:1::6-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	}
	switch n := g.r.IntN(20); {
	case n == 0:
		return g.b.Any()
	case n < 13:
		return g.b.Group(groupNames[g.r.IntN(len(groupNames))])
	default:
		return g.b.Block(blocks[g.r.IntN(len(blocks))]...)
	}
}

func (g *generator) ports() artifact.PortsID {
	sets := [][]artifact.PortRange{
		nil,
		{TCP(80)},
		{TCP(80), TCP(443)},
		{UDP(53)},
		{TCP(53), UDP(53)},
		{Range(6, 79, 83)},
		{Range(6, 50, 500), UDP(7), SCTP(9)},
		{SCTP(9)},
		{Range(17, 0, 65535)},
		{TCP(0), TCP(65535)},
	}
	return g.b.Ports(slices.Clone(sets[g.r.IntN(len(sets))])...)
}
