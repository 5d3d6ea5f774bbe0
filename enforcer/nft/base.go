package nft

import (
	"net/netip"

	"github.com/sluice-net/sluice/internal/artifact"
)

// Names of the fixed parts. Those without a hook carry the family's digit as
// well.
const (
	chainForward = "forward"
	chainInput   = "input"
	chainInvalid = "invalid"
	chainFrom    = "from"
	chainTo      = "to"
	setRange     = "range"
	setStray     = "stray"
	mapEgress    = "egress"
	mapIngress   = "ingress"
)

// maxPrefixes is the number of pod ranges of one family that are compared one
// by one, which is faster than a lookup.
const maxPrefixes = 2

// selectors returns matches, to be tried one after the other, for the
// addresses that the table governs: the node's pod ranges, and what its pods
// have outside of them. The side is left to be set.
func (r *renderer) selectors(fam Family, local []*artifact.Endpoint) []Match {
	var prefixes []netip.Prefix
	var ranges []artifact.AddrRange
	for _, p := range r.node.PodCIDRs {
		if familyOf(p.Addr()) == fam {
			prefixes = append(prefixes, p)
			ranges = append(ranges, prefixRange(p))
		}
	}
	ranges = mergeRanges(ranges)

	var out []Match
	if len(prefixes) > maxPrefixes {
		name := setRange + fam.digit()
		r.table.Sets[name] = &Set{
			Name: name, Key: KeyAddr, Family: fam, Interval: true,
			Comment: comment("pod ranges of " + r.node.Name), Elements: rangeElements(ranges),
		}
		out = append(out, Match{Field: FieldAddr, Family: fam, Set: name})
	} else {
		for _, p := range prefixes {
			out = append(out, Match{Field: FieldPrefix, Family: fam, Prefix: p})
		}
	}

	var stray []byte
	for _, e := range local {
		for _, a := range e.Addresses {
			if familyOf(a) == fam && !artifact.Block(ranges).Contains(a) {
				stray = appendAddr(stray, a)
			}
		}
	}
	if len(stray) > 0 {
		name := setStray + fam.digit()
		r.table.Sets[name] = &Set{
			Name: name, Key: KeyAddr, Family: fam, Elements: sortKeys(stray, fam.addrLen()),
			Comment: comment("pods outside of the pod ranges of " + r.node.Name),
		}
		out = append(out, Match{Field: FieldAddr, Family: fam, Set: name})
	}
	return out
}

// addBase adds the chains that every packet passes. They depend on nothing but
// the node's pod ranges, and on whether pods have addresses outside of them.
func (r *renderer) addBase(local []*artifact.Endpoint) {
	ctState := Rule{Match: []Match{{Field: FieldCTState}}}
	forward := &Chain{Name: chainForward, Hook: HookForward, Rules: []Rule{ctState}}
	input := &Chain{Name: chainInput, Hook: HookInput, Rules: []Rule{
		ctState,
		{Match: []Match{{Field: FieldLoopback}}, Verdict: Verdict{Kind: Accept}},
		{Match: []Match{{Field: FieldNeighbour}}, Verdict: Verdict{Kind: Accept}},
	}}
	invalid := &Chain{Name: chainInvalid}
	forward6 := &Chain{Name: chainForward + IPv6.digit()}
	for _, fam := range []Family{IPv4, IPv6} {
		from := Verdict{Kind: Jump, Chain: chainFrom + fam.digit()}
		to := Verdict{Kind: Goto, Chain: chainTo + fam.digit()}
		drop := Verdict{Kind: Drop}
		var both []Rule
		for _, m := range r.selectors(fam, local) {
			both = append(both, on(m, Source, from), on(m, Destination, to))
			input.Rules = append(input.Rules, on(m, Source, from))
			invalid.Rules = append(invalid.Rules, on(m, Source, drop), on(m, Destination, drop))
		}
		// Sources first: what a pod may not send is nobody's to receive.
		both = sourcesFirst(both)
		if fam == IPv4 {
			forward.Rules = append(forward.Rules, both...)
		} else {
			forward6.Rules = both
		}
		r.addChain(dispatch(from.Chain, fam, Source, mapEgress))
		r.addChain(dispatch(to.Chain, fam, Destination, mapIngress))
	}
	if len(forward6.Rules) > 0 {
		forward.Rules = append(forward.Rules, Rule{
			Match: []Match{{Field: FieldFamily, Family: IPv6}}, Verdict: Verdict{Kind: Goto, Chain: forward6.Name},
		})
		r.addChain(forward6)
	}
	r.addChain(forward)
	r.addChain(input)
	r.addChain(invalid)
}

// on returns the rule with the match on one side.
func on(m Match, side Side, v Verdict) Rule {
	m.Side = side
	return Rule{Match: []Match{m}, Verdict: v, Counter: v.Kind == Drop}
}

// sourcesFirst moves the rules on sources before those on destinations: these
// never come back.
func sourcesFirst(rules []Rule) []Rule {
	var out []Rule
	for _, side := range []Side{Source, Destination} {
		for _, rule := range rules {
			if rule.Match[0].Side == side {
				out = append(out, rule)
			}
		}
	}
	return out
}

// dispatch returns the chain that hands a packet over to its pod's profile.
func dispatch(name string, fam Family, side Side, verdicts string) *Chain {
	return &Chain{Name: name, Rules: []Rule{
		{Match: []Match{{Field: FieldAddrMap, Family: fam, Side: side, Set: verdicts + fam.digit()}}},
		{Counter: true, Verdict: Verdict{Kind: Drop}, Comment: "no pod of the ruleset has this address"},
	}}
}

func (r *renderer) addChain(c *Chain) { r.table.Chains[c.Name] = c }
