// Package nfttest builds rulesets by hand, for tests of what enforces them.
package nfttest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/internal/artifact"
)

// Builder collects a ruleset. Nodes have to be added in the order of their
// names.
type Builder struct {
	rs     artifact.Ruleset
	groups map[string]artifact.GroupID
}

// New returns a builder of a ruleset whose default is to allow.
func New() *Builder {
	b := &Builder{groups: make(map[string]artifact.GroupID)}
	b.rs.Header.Default = artifact.Allow
	b.rs.Program.Ports = []artifact.PortSet{nil}
	b.rs.Program.Profiles = []artifact.Profile{{}}
	b.rs.Membership.Classes = []artifact.Class{{}}
	return b
}

// Default sets the verdict when no tier decides.
func (b *Builder) Default(v artifact.Verdict) { b.rs.Header.Default = v }

// Generation sets the ruleset's generation.
func (b *Builder) Generation(g uint64) { b.rs.Header.Generation = g }

// Range is ports of one protocol.
func Range(protocol uint8, low, high uint16) artifact.PortRange {
	return artifact.PortRange{Protocol: protocol, Low: low, High: high}
}

// TCP is one TCP port.
func TCP(port uint16) artifact.PortRange { return Range(6, port, port) }

// UDP is one UDP port.
func UDP(port uint16) artifact.PortRange { return Range(17, port, port) }

// SCTP is one SCTP port.
func SCTP(port uint16) artifact.PortRange { return Range(132, port, port) }

// Ports adds a port set, whose ranges have to be in order; none is all ports.
func (b *Builder) Ports(ranges ...artifact.PortRange) artifact.PortsID {
	if len(ranges) == 0 {
		return artifact.AllPorts
	}
	for i, s := range b.rs.Program.Ports {
		if i > 0 && slices.Equal(s, ranges) {
			return artifact.PortsID(i)
		}
	}
	b.rs.Program.Ports = append(b.rs.Program.Ports, ranges)
	return artifact.PortsID(len(b.rs.Program.Ports) - 1)
}

// Any is every peer.
func (b *Builder) Any() artifact.Peer { return artifact.Peer{Kind: artifact.PeerAny} }

// Group is the members of the named group.
func (b *Builder) Group(name string) artifact.Peer {
	return artifact.Peer{Kind: artifact.PeerGroup, ID: uint32(b.GroupID(name))}
}

// GroupID returns the identifier of the named group.
func (b *Builder) GroupID(name string) artifact.GroupID {
	id, ok := b.groups[name]
	if !ok {
		id = artifact.GroupID(len(b.rs.Program.Groups))
		b.groups[name] = id
		b.rs.Program.Groups = append(b.rs.Program.Groups, artifact.Group{Name: name})
	}
	return id
}

// Block is the addresses of ranges "low-high" or prefixes, which have to be in
// order and apart, IPv4 first.
func (b *Builder) Block(ranges ...string) artifact.Peer {
	var block artifact.Block
	for _, s := range ranges {
		block = append(block, parseRange(s))
	}
	b.rs.Program.Blocks = append(b.rs.Program.Blocks, block)
	return artifact.Peer{Kind: artifact.PeerBlock, ID: uint32(len(b.rs.Program.Blocks) - 1)}
}

func parseRange(s string) artifact.AddrRange {
	if p, err := netip.ParsePrefix(s); err == nil {
		high := p.Masked().Addr().AsSlice()
		for i := p.Bits(); i < len(high)*8; i++ {
			high[i/8] |= 0x80 >> (i % 8)
		}
		h, _ := netip.AddrFromSlice(high)
		return artifact.AddrRange{Low: p.Masked().Addr(), High: h}
	}
	for i := range s {
		if s[i] == '-' {
			return artifact.AddrRange{Low: netip.MustParseAddr(s[:i]), High: netip.MustParseAddr(s[i+1:])}
		}
	}
	a := netip.MustParseAddr(s)
	return artifact.AddrRange{Low: a, High: a}
}

// Domain is the addresses of a name.
func (b *Builder) Domain(name string) artifact.Peer {
	i := slices.IndexFunc(b.rs.Program.Domains, func(d artifact.Domain) bool { return d.Name == name })
	if i < 0 {
		i = len(b.rs.Program.Domains)
		b.rs.Program.Domains = append(b.rs.Program.Domains, artifact.Domain{Name: name})
	}
	return artifact.Peer{Kind: artifact.PeerDomain, ID: uint32(i)}
}

// rule adds the provenance of a policy called "ns/name" or "name".
func (b *Builder) rule(dir artifact.Direction, tier artifact.TierKind, policy, id string) artifact.RuleID {
	r := artifact.Rule{Tier: tier, Direction: dir, Kind: "ClusterNetworkPolicy", Name: policy, ID: id, File: "policies.yaml", Line: 1, Col: 1}
	if tier == artifact.TierNamespace {
		r.Kind, r.Namespace = "NetworkPolicy", "default"
	}
	b.rs.Program.Rules = append(b.rs.Program.Rules, r)
	return artifact.RuleID(len(b.rs.Program.Rules) - 1)
}

// Clause is what Tier makes an artifact.Clause of.
type Clause struct {
	Verdict artifact.Verdict
	Peer    artifact.Peer
	Ports   artifact.PortsID
	Policy  string // default: "policy"
}

// Tier adds a tier; end is Deny or Pass.
func (b *Builder) Tier(dir artifact.Direction, kind artifact.TierKind, end artifact.Verdict, clauses ...Clause) artifact.TierID {
	t := artifact.Tier{Kind: kind, End: end}
	for i, c := range clauses {
		policy := c.Policy
		if policy == "" {
			policy = "policy"
		}
		t.Clauses = append(t.Clauses, artifact.ClauseID(len(b.rs.Program.Clauses)))
		b.rs.Program.Clauses = append(b.rs.Program.Clauses, artifact.Clause{
			Verdict: c.Verdict, Peer: c.Peer, Ports: c.Ports,
			Rules: []artifact.RuleID{b.rule(dir, kind, policy, fmt.Sprintf("%v[%d]", dir, i))},
		})
	}
	if end == artifact.Deny {
		t.EndRules = []artifact.RuleID{b.rule(dir, kind, "isolate", "isolation")}
	}
	b.rs.Program.Tiers = append(b.rs.Program.Tiers, t)
	return artifact.TierID(len(b.rs.Program.Tiers) - 1)
}

// Profile adds a profile; without tiers it is profile 0.
func (b *Builder) Profile(dir artifact.Direction, tiers ...artifact.TierID) artifact.ProfileID {
	if len(tiers) == 0 {
		return 0
	}
	b.rs.Program.Profiles = append(b.rs.Program.Profiles, artifact.Profile{Direction: dir, Tiers: tiers})
	return artifact.ProfileID(len(b.rs.Program.Profiles) - 1)
}

// Class adds a class in the named groups.
func (b *Builder) Class(ingress, egress artifact.ProfileID, groups ...string) artifact.ClassID {
	c := artifact.Class{Profiles: [2]artifact.ProfileID{artifact.Ingress: ingress, artifact.Egress: egress}}
	for _, g := range groups {
		c.Groups = append(c.Groups, b.GroupID(g))
	}
	slices.Sort(c.Groups)
	b.rs.Membership.Classes = append(b.rs.Membership.Classes, c)
	return artifact.ClassID(len(b.rs.Membership.Classes) - 1)
}

// Node adds a node with the address and the pod ranges.
func (b *Builder) Node(name string, class artifact.ClassID, addrs []string, podCIDRs ...string) artifact.NodeID {
	n := artifact.Node{Name: name, Class: class, Addresses: parseAddrs(addrs)}
	for _, c := range podCIDRs {
		n.PodCIDRs = append(n.PodCIDRs, netip.MustParsePrefix(c))
	}
	b.rs.Membership.Nodes = append(b.rs.Membership.Nodes, n)
	return artifact.NodeID(len(b.rs.Membership.Nodes) - 1)
}

// Pod adds a pod of namespace "default".
func (b *Builder) Pod(name string, node artifact.NodeID, class artifact.ClassID, addrs ...string) {
	b.PodAt(name, node, class, parseAddrs(addrs)...)
}

// PodAt is Pod with parsed addresses.
func (b *Builder) PodAt(name string, node artifact.NodeID, class artifact.ClassID, addrs ...netip.Addr) {
	b.rs.Membership.Endpoints = append(b.rs.Membership.Endpoints, artifact.Endpoint{
		Kind: artifact.EndpointPod, Namespace: "default", Name: name, Workload: "Pod/" + name,
		Node: node, Class: class, Addresses: addrs,
	})
}

func parseAddrs(list []string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// Ruleset returns the ruleset, with its digest; the builder may go on.
func (b *Builder) Ruleset(t testing.TB) *artifact.Ruleset {
	t.Helper()
	rs := b.rs
	rs.Membership.Endpoints = slices.Clone(rs.Membership.Endpoints)
	slices.SortFunc(rs.Membership.Endpoints, func(a, b artifact.Endpoint) int { return a.Compare(&b) })
	if _, err := artifact.Encode(&rs); err != nil {
		t.Fatalf("hand-built ruleset: %v", err)
	}
	return &rs
}
