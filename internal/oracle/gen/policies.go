package gen

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/sluice-net/sluice/internal/model"
)

func (g *small) networkPolicies() {
	for i := range g.between(0, g.upTo(6)) {
		ns := pick(g.dice, g.s.Namespaces).Name
		p := model.Policy{
			Kind: "NetworkPolicy", Namespace: ns, Name: fmt.Sprintf("np%d", i), Tier: model.TierNamespace,
			Subject: model.Subject{Namespaces: model.NamespaceMatch{Name: ns}, Pods: g.selector(40)},
		}
		// Which directions apply and which have rules are separate choices in
		// the API; only a policy without any direction cannot be written.
		applies := g.between(1, 3)
		for _, d := range model.Directions {
			p.Sections[d].Applies = applies&(1<<d) != 0
			if p.Sections[d].Applies || g.chance(40) {
				for j := range g.IntN(g.upTo(4)) {
					r := g.rule(ns, d, false)
					r.ID = fmt.Sprintf("%s[%d]", d, j)
					r.Verdict = model.Allow
					p.Sections[d].Rules = append(p.Sections[d].Rules, r)
				}
			}
		}
		g.s.Policies = append(g.s.Policies, p)
	}
}

// orderedPolicies adds the tiers around NetworkPolicy. Priorities are few, so
// that many policies tie.
func (g *small) orderedPolicies() {
	for _, t := range []struct {
		tier  model.Tier
		kinds []string
		most  int
	}{
		{model.TierAdmin, []string{"AdminNetworkPolicy", "ClusterNetworkPolicy"}, 4},
		{model.TierSegment, []string{"Segment"}, 3},
		{model.TierBaseline, []string{"ClusterNetworkPolicy"}, 2},
	} {
		for i := range g.IntN(g.upTo(t.most) + 1) {
			p := model.Policy{
				Kind: pick(g.dice, t.kinds), Name: fmt.Sprintf("%s%d", t.tier, i), Tier: t.tier,
				Priority: int32(g.IntN(3)),
				Subject:  model.Subject{Namespaces: g.namespaceMatch(""), Pods: g.selector(50)},
			}
			if t.tier == model.TierSegment && g.chance(30) {
				p.Subject.Namespaces = model.NamespaceMatch{Name: pick(g.dice, g.s.Namespaces).Name}
			}
			for _, d := range model.Directions {
				p.Sections[d].Applies = g.chance(85)
				for j := range g.IntN(g.upTo(4)) {
					r := g.rule("", d, true)
					r.ID = fmt.Sprintf("%s[%d]", d, j)
					r.Verdict = pick(g.dice, []model.Verdict{model.Allow, model.Deny, model.Pass})
					p.Sections[d].Rules = append(p.Sections[d].Rules, r)
				}
			}
			g.s.Policies = append(g.s.Policies, p)
		}
	}
}

// rule returns a rule of a policy in namespace ns, or of a cluster-wide one.
// Rarely a list is empty without meaning everything: then the rule matches
// nothing, as when a front end has dropped a peer that it does not know.
func (g *small) rule(ns string, d model.Direction, ordered bool) model.Rule {
	var r model.Rule
	switch n := g.IntN(100); {
	case n < 20:
		r.AnyPeer = true
	case n >= 24:
		for range g.between(1, g.upTo(3)) {
			r.Peers = append(r.Peers, g.peer(ns, d, ordered))
		}
	}
	switch n := g.IntN(100); {
	case n < 30:
		r.AnyPort = true
	case n >= 32:
		for range g.between(1, g.upTo(3)) {
			r.Ports = append(r.Ports, g.port(ordered))
		}
	}
	return r
}

func (g *small) peer(ns string, d model.Direction, ordered bool) model.Peer {
	n := g.IntN(100)
	switch {
	case ordered && n < 15:
		return model.Peer{Kind: model.PeerNodes, Nodes: g.selector(40)}
	case ordered && n < 18 && d == model.Egress:
		return model.Peer{Kind: model.PeerDomain, Domain: "example.com"}
	case n < 55:
		return g.block()
	default:
		return model.Peer{Kind: model.PeerPods, Namespaces: g.namespaceMatch(ns), Pods: g.selector(40)}
	}
}

// namespaceMatch is often the policy's own namespace, if it has one.
func (g *small) namespaceMatch(own string) model.NamespaceMatch {
	switch {
	case own != "" && g.chance(50):
		return model.NamespaceMatch{Name: own}
	case g.chance(20):
		names := []string{pick(g.dice, g.s.Namespaces).Name, "z"}
		op := pick(g.dice, []model.Operator{model.In, model.NotIn})
		return model.NamespaceMatch{Selector: model.NewSelector([]model.Requirement{
			{Key: model.NamespaceNameLabel, Op: op, Values: names[:g.between(1, 2)]},
		})}
	default:
		return model.NamespaceMatch{Selector: g.selector(35)}
	}
}

// selector matches everything in the given percentage of cases.
func (g *small) selector(everything int) model.Selector {
	if g.chance(everything) {
		return model.Selector{}
	}
	var rs []model.Requirement
	for range g.between(1, 2) {
		r := model.Requirement{Key: pick(g.dice, labelKeys)}
		switch g.IntN(8) {
		case 0:
			r.Op = model.Exists
		case 1:
			r.Op = model.DoesNotExist
		case 2, 3:
			r.Op = model.NotIn
		default:
			r.Op = model.In
		}
		if r.Op == model.In || r.Op == model.NotIn {
			for range g.between(1, 2) {
				r.Values = append(r.Values, pick(g.dice, labelValues))
			}
		}
		rs = append(rs, r)
	}
	return model.NewSelector(rs)
}

func (g *small) port(ordered bool) model.Port {
	p := model.Port{Protocol: pick(g.dice, portedTypes)}
	if ordered && g.chance(15) {
		p.Protocol = model.AnyProtocol
	}
	switch n := g.IntN(100); {
	case n < 30:
		p.Name = pick(g.dice, append(portNames, "nowhere"))
	case n < 40:
		p.High = math.MaxUint16
	case n < 65:
		p.Low, p.High = pick(g.dice, portNumbers), pick(g.dice, portNumbers)
		p.Low, p.High = min(p.Low, p.High), max(p.Low, p.High)
	default:
		p.Low = pick(g.dice, portNumbers)
		p.High = p.Low
	}
	return p
}

// block is a block around pods, around nodes, outside, or everything, often
// with exceptions inside.
func (g *small) block() model.Peer {
	var b netip.Prefix
	switch n := g.IntN(100); {
	case n < 45: // from one address up to half a node's range
		b = g.around(pick(g.dice, g.next), []int{32, 31, 30, 29, 25, 24}, []int{128, 127, 126, 125, 65, 64})
	case n < 60:
		a := pick(g.dice, pick(g.dice, g.s.Nodes).Addresses)
		b = g.around(a, []int{32, 30}, []int{128, 126})
	case n < 75:
		b = pick(g.dice, []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:9::/48")})
	case n < 80:
		b = pick(g.dice, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")})
	default:
		b = pick(g.dice, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
	}
	p := model.Peer{Kind: model.PeerBlock, Block: b}
	for range g.IntN(3) {
		if x, ok := g.exception(b); ok {
			p.Except = append(p.Except, x)
		}
	}
	return p
}

// around returns a prefix of one of the given lengths with an address that is
// a's or one of the few handed out before it.
func (g *small) around(a netip.Addr, bits4, bits6 []int) netip.Prefix {
	for range g.IntN(4) {
		if before := a.Prev(); before.IsValid() && before.Is4() == a.Is4() {
			a = before
		}
	}
	bits := bits4
	if a.Is6() {
		bits = bits6
	}
	return netip.PrefixFrom(a, pick(g.dice, bits)).Masked()
}

// exception returns a strict part of b, likely one with pods in it.
func (g *small) exception(b netip.Prefix) (netip.Prefix, bool) {
	a := b.Addr()
	if inside := pick(g.dice, g.next); b.Contains(inside) {
		a = inside
		for range g.IntN(4) {
			if before := a.Prev(); b.Contains(before) {
				a = before
			}
		}
	}
	longer := a.BitLen() - b.Bits()
	if longer == 0 {
		return netip.Prefix{}, false
	}
	bits := b.Bits() + g.between(1, longer)
	if g.chance(50) {
		bits = a.BitLen() - g.IntN(min(longer, 3))
	}
	return netip.PrefixFrom(a, bits).Masked(), true
}
