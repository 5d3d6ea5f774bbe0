package model

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/internal/diag"
)

// Policy is one policy object of any tier.
//
// In TierNamespace rules have no order and only Allow; a section that Applies
// isolates its subjects in that direction. In every other tier rules are
// ordered, the first match decides, and nothing is isolated.
type Policy struct {
	Kind      string // "NetworkPolicy", "ClusterNetworkPolicy", ...
	Namespace string // "" for cluster-scoped kinds
	Name      string
	// Part tells the policies apart that one source object became, in a
	// canonical way; "" where an object is one policy. It goes last in every
	// order of policies, and is no part of Ref.
	Part     string
	Tier     Tier
	Priority int32 // lower first; 0 in TierNamespace, 1001 for a kind of TierBaseline that has none
	Subject  Subject
	Sections [2]Section // indexed by Direction
	Pos      diag.Pos
}

// Ref returns "Kind/namespace/name", or "Kind/name" for cluster-scoped kinds.
func (p *Policy) Ref() string {
	if p.Namespace == "" {
		return p.Kind + "/" + p.Name
	}
	return p.Kind + "/" + p.Namespace + "/" + p.Name
}

// Subject selects the pods that a policy governs: those that match Pods in a
// namespace that matches Namespaces.
type Subject struct {
	Namespaces NamespaceMatch
	Pods       Selector
	Pos        diag.Pos
}

// NamespaceMatch selects namespaces: the one called Name, or, when Name is
// empty, those whose labels match Selector.
type NamespaceMatch struct {
	Name     string
	Selector Selector
}

// String is canonical: equal matches have equal strings.
func (m NamespaceMatch) String() string {
	if m.Name != "" {
		return m.Name
	}
	return "{" + m.Selector.String() + "}"
}

// Section is a policy's part for one direction.
type Section struct {
	// Applies is true when the policy governs this direction (policyTypes of
	// a NetworkPolicy). Rules of a section that does not apply are kept for
	// lint and have no effect.
	Applies bool
	Rules   []Rule
	Pos     diag.Pos
}

// Rule matches connections between a subject and any of its peers on any of
// its ports.
type Rule struct {
	ID      string // "ingress[0]", or the name that the policy gives it
	Verdict Verdict
	AnyPeer bool   // every peer, known or not; Peers is empty then
	Peers   []Peer // alternatives
	AnyPort bool   // every port of every protocol, ICMP and others included; Ports is empty then
	Ports   []Port // alternatives
	Log     bool
	// EmptyPeers is true when the source spells the list of peers out as empty,
	// which means every peer and reads like none. For lint.
	EmptyPeers bool
	Pos        diag.Pos
}

// PeerKind tells what a Peer matches. The zero value is invalid.
type PeerKind uint8

// The kinds of peer.
const (
	PeerPods   PeerKind = iota + 1 // pods by namespace and pod selector
	PeerBlock                      // addresses in Block and not in Except
	PeerNodes                      // nodes by label; matches their addresses
	PeerDomain                     // addresses learned for a domain name; egress only
)

// Peer is the other side of a connection. Only the fields of its kind are set.
type Peer struct {
	Kind       PeerKind
	Namespaces NamespaceMatch // PeerPods
	Pods       Selector       // PeerPods
	Block      netip.Prefix   // PeerBlock; masked
	Except     []netip.Prefix // PeerBlock; masked, strict subsets of Block
	Nodes      Selector       // PeerNodes
	Domain     string         // PeerDomain; lower case, without trailing dot
	Pos        diag.Pos
}

// Port matches a destination port. With Name, it is the container port of that
// name on the destination pod (and of that protocol, unless AnyProtocol);
// otherwise it is Low to High inclusive, 0 to 65535 meaning every port of the
// protocol.
type Port struct {
	Protocol Protocol
	Name     string
	Low      uint16
	High     uint16
	Pos      diag.Pos
}

// String renders "80/TCP", "8000-9000/TCP", "http/TCP" or "*/TCP".
func (p Port) String() string {
	switch {
	case p.Name != "":
		return fmt.Sprintf("%s/%s", p.Name, p.Protocol)
	case p.Low == 0 && p.High == 65535:
		return fmt.Sprintf("*/%s", p.Protocol)
	case p.Low == p.High:
		return fmt.Sprintf("%d/%s", p.Low, p.Protocol)
	default:
		return fmt.Sprintf("%d-%d/%s", p.Low, p.High, p.Protocol)
	}
}

// Operator of a label requirement. The zero value is invalid.
type Operator uint8

// The operators of Kubernetes label selectors.
const (
	In           Operator = iota + 1 // the label exists and its value is listed
	NotIn                            // the label is absent or its value is not listed
	Exists                           // the label exists
	DoesNotExist                     // the label is absent
)

// Requirement is one condition of a Selector.
type Requirement struct {
	Key    string
	Op     Operator
	Values []string // sorted, unique; empty for Exists and DoesNotExist
}

// Selector is a conjunction of requirements on labels. Without requirements
// it matches everything, as the empty LabelSelector of Kubernetes does.
// Requirements are sorted and unique, so that equal selectors have equal
// strings; NewSelector establishes this.
type Selector struct {
	Requirements []Requirement
}

// NewSelector returns the canonical selector with the given requirements. It
// takes ownership of the slices.
func NewSelector(rs []Requirement) Selector {
	for i := range rs {
		slices.Sort(rs[i].Values)
		rs[i].Values = slices.Compact(rs[i].Values)
	}
	slices.SortFunc(rs, compareRequirements)
	rs = slices.CompactFunc(rs, func(a, b Requirement) bool { return compareRequirements(a, b) == 0 })
	return Selector{Requirements: rs}
}

func compareRequirements(a, b Requirement) int {
	return cmp.Or(
		cmp.Compare(a.Key, b.Key),
		cmp.Compare(a.Op, b.Op),
		slices.Compare(a.Values, b.Values),
	)
}

// Everything reports whether the selector has no requirement.
func (s Selector) Everything() bool { return len(s.Requirements) == 0 }

// String renders the selector in the syntax of kubectl's -l flag; canonical,
// and "" for the selector that matches everything. Label keys and values
// cannot contain the punctuation used, so the text is unambiguous.
func (s Selector) String() string {
	var b strings.Builder
	for i, r := range s.Requirements {
		if i > 0 {
			b.WriteByte(',')
		}
		switch r.Op {
		case In:
			if len(r.Values) == 1 {
				b.WriteString(r.Key + "=" + r.Values[0])
			} else {
				b.WriteString(r.Key + " in (" + strings.Join(r.Values, ",") + ")")
			}
		case NotIn:
			if len(r.Values) == 1 {
				b.WriteString(r.Key + "!=" + r.Values[0])
			} else {
				b.WriteString(r.Key + " notin (" + strings.Join(r.Values, ",") + ")")
			}
		case Exists:
			b.WriteString(r.Key)
		case DoesNotExist:
			b.WriteString("!" + r.Key)
		}
	}
	return b.String()
}
