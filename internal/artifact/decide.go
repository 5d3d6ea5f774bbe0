package artifact

import (
	"net/netip"
	"slices"
)

// End is one end of a connection: an address and the endpoint or node that has
// it. A pod on its node's network is its node: Node is set and Endpoint is -1.
// Addr may be invalid for an endpoint without addresses; clauses on address
// blocks do not match it then. Resolver fills it in.
type End struct {
	Addr     netip.Addr
	Endpoint int // index into Membership.Endpoints; -1 for none
	Node     int // index into Membership.Nodes; -1 for none
}

// Flow is a connection attempt as it appears after service translation.
type Flow struct {
	Src, Dst End
	Protocol uint8  // IANA number; 1 and 58 for ICMP
	Port     uint16 // destination port; ignored for protocols without ports
}

// Basis says what kind of reason a decision has. The zero value is invalid.
type Basis uint8

// The reasons.
const (
	ByClause    Basis = iota + 1 // a clause of a tier matched
	ByIsolation                  // a tier's end denied
	ByDefault                    // no tier decided
	BySelf                       // an endpoint's traffic to its own address is not filtered
	ByLocalNode                  // a node always reaches its own endpoints
)

// Decision is the verdict for one direction and what it rests on.
type Decision struct {
	Verdict Verdict // Allow or Deny
	Basis   Basis
	Profile ProfileID
	Tier    TierID   // for ByClause and ByIsolation
	Clause  ClauseID // for ByClause
	Rules   []RuleID // for ByClause and ByIsolation; shared with the ruleset, not to be changed
}

// Result is the outcome for both ends; nil where that end is no endpoint that
// policies govern.
type Result struct {
	Verdict         Verdict
	Egress, Ingress *Decision
}

// Decide returns the verdict for a connection attempt: the meaning of the
// artifact, which enforcers reproduce in the kernel. It is safe for
// concurrent use as long as the ruleset is not changed.
func (rs *Ruleset) Decide(f Flow) Result {
	res := Result{Verdict: Allow}
	if e := rs.governed(f.Src); e != nil {
		d := rs.decideEnd(Egress, e, f.Src, f.Dst, f)
		res.Egress = &d
	}
	if e := rs.governed(f.Dst); e != nil {
		d := rs.decideEnd(Ingress, e, f.Dst, f.Src, f)
		res.Ingress = &d
	}
	for _, d := range []*Decision{res.Egress, res.Ingress} {
		if d != nil && d.Verdict != Allow {
			res.Verdict = Deny
		}
	}
	return res
}

// governed returns the endpoint behind e if policies govern it.
func (rs *Ruleset) governed(e End) *Endpoint {
	if e.Endpoint < 0 {
		return nil
	}
	ep := &rs.Membership.Endpoints[e.Endpoint]
	if ep.Kind != EndpointPod && ep.Kind != EndpointStandIn {
		return nil
	}
	return ep
}

func (rs *Ruleset) decideEnd(dir Direction, ep *Endpoint, self, peer End, f Flow) Decision {
	// A stand-in is many pods: its traffic to itself is between two of them.
	if self.Endpoint == peer.Endpoint && ep.Kind == EndpointPod {
		return Decision{Verdict: Allow, Basis: BySelf}
	}
	if dir == Ingress && ep.Node != NoNode && peer.Node == int(ep.Node) {
		return Decision{Verdict: Allow, Basis: ByLocalNode}
	}
	profile := rs.Membership.Classes[ep.Class].Profiles[dir]
	for _, tid := range rs.Program.Profiles[profile].Tiers {
		t := &rs.Program.Tiers[tid]
		i := slices.IndexFunc(t.Clauses, func(c ClauseID) bool {
			return rs.matches(&rs.Program.Clauses[c], peer, f)
		})
		if i >= 0 {
			c := &rs.Program.Clauses[t.Clauses[i]]
			if c.Verdict != Pass {
				return Decision{
					Verdict: c.Verdict, Basis: ByClause, Profile: profile, Tier: tid,
					Clause: t.Clauses[i], Rules: c.Rules,
				}
			}
			continue
		}
		if t.End == Deny {
			return Decision{Verdict: Deny, Basis: ByIsolation, Profile: profile, Tier: tid, Rules: t.EndRules}
		}
	}
	return Decision{Verdict: rs.Header.Default, Basis: ByDefault, Profile: profile}
}

// matches reports whether clause c covers the connection with peer.
func (rs *Ruleset) matches(c *Clause, peer End, f Flow) bool {
	return rs.MatchesPorts(c.Ports, f) && rs.MatchesPeer(c.Peer, peer)
}

// MatchesPorts reports whether a port set covers the connection. Protocols
// without ports are in the set of all ports only.
func (rs *Ruleset) MatchesPorts(id PortsID, f Flow) bool {
	return id == AllPorts || rs.Program.Ports[id].Contains(f.Protocol, f.Port)
}

// MatchesPeer reports whether an end is what a clause's peer names.
func (rs *Ruleset) MatchesPeer(p Peer, e End) bool {
	switch p.Kind {
	case PeerAny:
		return true
	case PeerGroup:
		_, ok := slices.BinarySearch(rs.Membership.Classes[rs.classOf(e)].Groups, GroupID(p.ID))
		return ok
	case PeerBlock:
		return e.Addr.IsValid() && rs.Program.Blocks[p.ID].Contains(e.Addr)
	default:
		return false // addresses of domains are known only where they are learned
	}
}

// classOf returns the class of an end; class 0 for an address that nobody has.
func (rs *Ruleset) classOf(e End) ClassID {
	switch {
	case e.Endpoint >= 0:
		return rs.Membership.Endpoints[e.Endpoint].Class
	case e.Node >= 0:
		return rs.Membership.Nodes[e.Node].Class
	default:
		return 0
	}
}

// Contains reports whether the set has the protocol and port.
func (s PortSet) Contains(protocol uint8, port uint16) bool {
	for _, r := range s {
		if r.Protocol == protocol && r.Low <= port && port <= r.High {
			return true
		}
	}
	return false
}

// Contains reports whether a is in the block. An IPv4-mapped IPv6 address is
// an IPv6 address here.
func (b Block) Contains(a netip.Addr) bool {
	i, found := slices.BinarySearchFunc(b, a, func(r AddrRange, a netip.Addr) int { return r.Low.Compare(a) })
	if found {
		return true
	}
	return i > 0 && b[i-1].High.Is4() == a.Is4() && a.Compare(b[i-1].High) <= 0
}
