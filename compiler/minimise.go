package compiler

import (
	"slices"

	"github.com/sluice-net/sluice/compiler/ir"
	"github.com/sluice-net/sluice/internal/model"
)

// minimise drops what can never decide: clauses behind others that cover them,
// tiers without effect, tiers behind one that always decides.
func minimise(p *ir.Program) {
	for i := range p.Tiers {
		minimiseTier(p, &p.Tiers[i])
	}
	for c := range p.Classes {
		for d := range p.Classes[c].Tiers {
			p.Classes[c].Tiers[d] = reachable(p, p.Classes[c].Tiers[d])
		}
	}
}

// reachable returns the tiers that have an effect, up to the first that leaves
// nothing to later ones.
func reachable(p *ir.Program, tiers []ir.TierID) []ir.TierID {
	var out []ir.TierID
	for _, id := range tiers {
		t := &p.Tiers[id]
		final := len(t.Isolation) > 0
		if len(t.Clauses) == 0 && !final {
			continue
		}
		out = append(out, id)
		if final || decidesAll(t.Clauses) {
			break
		}
	}
	return out
}

// decidesAll reports whether no connection gets past the clauses: the last is
// on everything, and none passes.
func decidesAll(cs []ir.Clause) bool {
	if len(cs) == 0 {
		return false
	}
	last := cs[len(cs)-1]
	return last.Peer.Kind == ir.PeerAny && last.Ports == 0 &&
		!slices.ContainsFunc(cs, func(c ir.Clause) bool { return c.Verdict == model.Pass })
}

func minimiseTier(p *ir.Program, t *ir.Tier) {
	t.Clauses = joinEqual(t.Clauses, t.Kind == model.TierNamespace)
	t.Clauses = dropCovered(p, t.Clauses)
	if t.Kind != model.TierNamespace {
		return
	}
	// Without an order a clause is covered by later ones just as well. The one
	// that stays is then the last; turn the order back afterwards.
	slices.Reverse(t.Clauses)
	t.Clauses = dropCovered(p, t.Clauses)
	slices.Reverse(t.Clauses)
}

// joinEqual lets the first of several clauses that say the same stand for all,
// and name their rules: each alone would give this verdict here. In an ordered
// tier that holds up to the next clause of another verdict.
func joinEqual(cs []ir.Clause, unordered bool) []ir.Clause {
	type content struct {
		verdict model.Verdict
		peer    ir.Peer
		ports   ir.PortsID
		log     bool
	}
	at := make(map[content]int, len(cs))
	out := make([]ir.Clause, 0, len(cs))
	for i, c := range cs {
		if !unordered && i > 0 && cs[i-1].Verdict != c.Verdict {
			clear(at)
		}
		k := content{c.Verdict, c.Peer, c.Ports, c.Log}
		if i, ok := at[k]; ok {
			if !slices.Contains(out[i].Rules, c.Rules[0]) {
				out[i].Rules = append(slices.Clone(out[i].Rules), c.Rules...)
			}
			continue
		}
		at[k] = len(out)
		out = append(out, c)
	}
	return out
}

// coverage is the ports on which some peer has been decided already.
type coverage struct {
	all   bool
	ports []ir.PortRange
}

func (c *coverage) covers(p *ir.Program, id ir.PortsID) bool {
	return c != nil && (c.all || id != 0 && coversPorts(c.ports, p.Ports[id]))
}

func (c *coverage) add(p *ir.Program, id ir.PortsID) {
	if id == 0 {
		c.all = true
	}
	if !c.all {
		c.ports = mergePorts(append(c.ports, p.Ports[id]...))
	}
}

// dropCovered removes each clause whose connections the clauses before it
// decide: those on the same peer, on every peer, and single clauses on an
// address block that contains its own.
func dropCovered(p *ir.Program, cs []ir.Clause) []ir.Clause {
	byPeer := map[ir.Peer]*coverage{}
	anyPeer := ir.Peer{Kind: ir.PeerAny}
	var blocks []ir.Clause
	out := cs[:0:0]
	for _, c := range cs {
		if byPeer[anyPeer].covers(p, c.Ports) || byPeer[c.Peer].covers(p, c.Ports) {
			continue
		}
		if c.Peer.Kind == ir.PeerBlock {
			if slices.ContainsFunc(blocks, func(b ir.Clause) bool {
				return coversAddrs(p.Blocks[b.Peer.ID], p.Blocks[c.Peer.ID]) &&
					(b.Ports == 0 || c.Ports != 0 && coversPorts(p.Ports[b.Ports], p.Ports[c.Ports]))
			}) {
				continue
			}
			// Bounded, so that a tier of very many blocks costs no square.
			if len(blocks) < 256 {
				blocks = append(blocks, c)
			}
		}
		if byPeer[c.Peer] == nil {
			byPeer[c.Peer] = &coverage{}
		}
		byPeer[c.Peer].add(p, c.Ports)
		out = append(out, c)
	}
	return out
}
