// Package ir is the compiler's lowered program: selectors evaluated, named
// ports resolved, address blocks flattened, tiers in order. It still speaks in
// classes of pods instead of addresses, and every clause still stands for one
// rule.
package ir

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// Indices into the tables of a Program.
type (
	// RuleID is an index into Rules.
	RuleID int
	// PortsID is an index into Ports; 0 is every protocol and port.
	PortsID int
	// BlockID is an index into Blocks.
	BlockID int
	// GroupID is an index into Groups.
	GroupID int
	// TierID is an index into Tiers.
	TierID int
	// ClassID is an index into Classes.
	ClassID int
)

// NoClass marks pods that policies neither govern nor select.
const NoClass ClassID = -1

// Program is the whole input, lowered.
type Program struct {
	Rules    []Rule
	Ports    [][]PortRange
	Blocks   [][]AddrRange
	Groups   []Group
	Domains  []string
	Tiers    []Tier
	Classes  []Class
	PodClass []ClassID // by index of the snapshot's pods
}

// Rule is one rule's, or one isolating section's, provenance.
type Rule struct {
	Policy    *model.Policy
	Order     int // of the policy, among all as they decide
	Direction model.Direction
	Index     int // of the rule in its section; -1 for the isolation
	ID        string
	Pos       diag.Pos
}

// PortRange is Low to High inclusive.
type PortRange struct {
	Protocol  model.Protocol
	Low, High uint16
}

// AddrRange is Low to High inclusive, of one family.
type AddrRange struct{ Low, High netip.Addr }

// Group is a set of pods and nodes that clauses refer to.
type Group struct {
	Name    string
	Classes []ClassID // ascending
	Nodes   []int     // indices of the snapshot's nodes, ascending
}

// PeerKind tells which table Peer.ID points into. The zero value is invalid.
type PeerKind uint8

// The kinds of peer.
const (
	PeerAny PeerKind = iota + 1
	PeerGroup
	PeerBlock
	PeerDomain
)

// Peer is the other side of a clause; ID is 0 for PeerAny.
type Peer struct {
	Kind PeerKind
	ID   int
}

// Clause is one peer and port set of one rule.
type Clause struct {
	Verdict model.Verdict
	Peer    Peer
	Ports   PortsID
	Log     bool
	Rules   []RuleID // the rules that say exactly this; the first is named
}

// Tier is one tier's clauses for one direction, first match first.
type Tier struct {
	Kind      model.Tier
	Direction model.Direction
	Clauses   []Clause
	Isolation []RuleID // not empty: what no clause matches is denied
}

// Class is a set of pods that no policy tells apart.
type Class struct {
	Tiers [2][]TierID // by direction, in the order in which they are asked
}

// Dump writes the program as text, for people who debug the compiler.
func (p *Program) Dump(w io.Writer) error {
	var b strings.Builder
	for i, g := range p.Groups {
		fmt.Fprintf(&b, "group %d %s: classes %v nodes %v\n", i, g.Name, g.Classes, g.Nodes)
	}
	for i, t := range p.Tiers {
		fmt.Fprintf(&b, "tier %d %v %v", i, t.Kind, t.Direction)
		if len(t.Isolation) > 0 {
			fmt.Fprintf(&b, " isolated by %s", p.Rules[t.Isolation[0]].Policy.Ref())
		}
		b.WriteByte('\n')
		for _, c := range t.Clauses {
			fmt.Fprintf(&b, "  %v peer %s ports %s from %s\n", c.Verdict, p.peer(c.Peer), p.ports(c.Ports), p.rule(c.Rules[0]))
		}
	}
	for i, c := range p.Classes {
		fmt.Fprintf(&b, "class %d ingress tiers %v egress tiers %v\n", i, c.Tiers[model.Ingress], c.Tiers[model.Egress])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *Program) peer(x Peer) string {
	switch x.Kind {
	case PeerAny:
		return "any"
	case PeerGroup:
		return "group " + p.Groups[x.ID].Name
	case PeerBlock:
		var parts []string
		for _, r := range p.Blocks[x.ID] {
			parts = append(parts, fmt.Sprintf("%v-%v", r.Low, r.High))
		}
		return "block " + strings.Join(parts, ",")
	case PeerDomain:
		return "domain " + p.Domains[x.ID]
	default:
		return "?"
	}
}

func (p *Program) ports(id PortsID) string {
	if id == 0 {
		return "any"
	}
	var parts []string
	for _, r := range p.Ports[id] {
		parts = append(parts, fmt.Sprintf("%d-%d/%v", r.Low, r.High, r.Protocol))
	}
	return strings.Join(parts, ",")
}

func (p *Program) rule(id RuleID) string {
	r := p.Rules[id]
	return fmt.Sprintf("%s %s (%v)", r.Policy.Ref(), r.ID, r.Pos)
}
