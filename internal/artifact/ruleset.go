package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
)

// SchemaVersion is the only version that this package reads and writes.
const SchemaVersion = 1

// Digest is the SHA-256 of an artifact's content.
type Digest [sha256.Size]byte

// String returns "sha256:" and 64 hexadecimal digits.
func (d Digest) String() string { return "sha256:" + hex.EncodeToString(d[:]) }

// IsZero reports whether d is unset.
func (d Digest) IsZero() bool { return d == Digest{} }

// Indices into the tables of a Ruleset.
type (
	// RuleID is an index into Program.Rules.
	RuleID uint32
	// PortsID is an index into Program.Ports; 0 is always the set of every
	// protocol and port.
	PortsID uint32
	// BlockID is an index into Program.Blocks.
	BlockID uint32
	// GroupID is an index into Program.Groups.
	GroupID uint32
	// DomainID is an index into Program.Domains.
	DomainID uint32
	// ClauseID is an index into Program.Clauses.
	ClauseID uint32
	// TierID is an index into Program.Tiers.
	TierID uint32
	// ProfileID is an index into Program.Profiles; 0 is always the profile
	// without tiers.
	ProfileID uint32
	// ClassID is an index into Membership.Classes; 0 is always the class of no
	// policy and no group.
	ClassID uint32
	// NodeID is an index into Membership.Nodes; -1 for none.
	NodeID int32
)

// NoNode is the NodeID of an endpoint that is not scheduled.
const NoNode NodeID = -1

// AllPorts is the PortsID that matches every protocol, with and without ports.
const AllPorts PortsID = 0

// Ruleset is the content of an artifact.
//
// Program changes when policies change (and when a combination of policies
// that no pod had before appears); Membership changes when pods and nodes do.
// Nothing in it needs evaluation: enforcers look addresses and ports up.
type Ruleset struct {
	Header     Header
	Program    Program
	Membership Membership

	// Digest is the SHA-256 of the encoded content: the identity of the
	// artifact. Encode and Decode set it; it is not part of the content.
	Digest Digest
}

// Header identifies a ruleset.
type Header struct {
	// Generation grows with each publication; 0 for a compile outside a
	// cluster.
	Generation uint64
	// Parent is the digest of the ruleset that this one replaces; zero for
	// none.
	Parent Digest
	// Default is the verdict when no tier decides.
	Default Verdict
	// Inputs are what was compiled, sorted by name.
	Inputs []Input
}

// Input is one source of the compile.
type Input struct {
	Name    string // machine-independent, slash-separated
	Digest  Digest // of the raw bytes
	Version string // resourceVersion, where known
}

// Verdict of a clause, a tier or a connection. The zero value is invalid.
type Verdict uint8

// The verdicts. Pass hands over to the next tier.
const (
	Allow Verdict = iota + 1
	Deny
	Pass
)

// String returns "allow", "deny" or "pass".
func (v Verdict) String() string {
	switch v {
	case Allow:
		return "allow"
	case Deny:
		return "deny"
	case Pass:
		return "pass"
	default:
		return fmt.Sprintf("verdict(%d)", uint8(v))
	}
}

// Direction of a connection as seen from the governed endpoint.
type Direction uint8

// The directions; also indices of two-element arrays.
const (
	Ingress Direction = 0
	Egress  Direction = 1
)

// String returns "ingress" or "egress".
func (d Direction) String() string {
	if d == Egress {
		return "egress"
	}
	return "ingress"
}

// TierKind is an evaluation band; lower values are asked first. The zero
// value is invalid.
type TierKind uint8

// The tiers.
const (
	TierAdmin TierKind = iota + 1
	TierSegment
	TierNamespace
	TierBaseline
)

// String returns the tier's name.
func (t TierKind) String() string {
	switch t {
	case TierAdmin:
		return "admin"
	case TierSegment:
		return "segment"
	case TierNamespace:
		return "namespace"
	case TierBaseline:
		return "baseline"
	default:
		return fmt.Sprintf("tier(%d)", uint8(t))
	}
}

// Program is what policies mean.
type Program struct {
	Rules    []Rule
	Ports    []PortSet
	Blocks   []Block
	Groups   []Group
	Domains  []Domain
	Clauses  []Clause
	Tiers    []Tier
	Profiles []Profile
}

// Rule is the provenance of a verdict: where it was written.
type Rule struct {
	Tier      TierKind
	Direction Direction
	Kind      string // of the policy object
	Namespace string // "" for cluster-scoped kinds
	Name      string
	ID        string // "ingress[0]", a name, or "isolation" for a tier's end
	File      string // machine-independent name of the input
	Line      uint32 // 1-based
	Col       uint32 // 1-based
}

// Policy returns "Kind/namespace/name", or "Kind/name".
func (r *Rule) Policy() string {
	if r.Namespace == "" {
		return r.Kind + "/" + r.Name
	}
	return r.Kind + "/" + r.Namespace + "/" + r.Name
}

// Source returns "file:line".
func (r *Rule) Source() string { return fmt.Sprintf("%s:%d", r.File, r.Line) }

// PortSet is a set of protocols and destination ports: sorted by protocol and
// low port, neither overlapping nor adjacent within a protocol. The set at
// index 0 (AllPorts) is nil and matches everything; every other is not empty.
type PortSet []PortRange

// PortRange is Low to High, inclusive, of one protocol.
type PortRange struct {
	Protocol uint8 // IANA number: 6, 17 or 132
	Low      uint16
	High     uint16
}

// Block is a set of addresses: sorted, neither overlapping nor adjacent, IPv4
// before IPv6. Exceptions are subtracted already. It may be empty.
type Block []AddrRange

// AddrRange is Low to High, inclusive, both of one family.
type AddrRange struct {
	Low  netip.Addr
	High netip.Addr
}

// Group is a set of endpoints; its members are the endpoints and nodes whose
// class lists it.
type Group struct {
	// Name says in the words of the source what is in the group; unique. It
	// is for people and has no meaning to enforcers.
	Name string
}

// Domain is a name whose addresses are learned while the ruleset is in force.
type Domain struct {
	Name string // lower case; "*." as the first label matches one or more labels
}

// PeerKind tells which table Peer.ID points into. The zero value is invalid.
type PeerKind uint8

// The kinds of peer.
const (
	PeerAny    PeerKind = iota + 1 // every address; ID is 0
	PeerGroup                      // ID is a GroupID
	PeerBlock                      // ID is a BlockID
	PeerDomain                     // ID is a DomainID
)

// Peer is the other side of a connection, by address.
type Peer struct {
	Kind PeerKind
	ID   uint32
}

// Clause decides the connections between its profile's endpoints and Peer on
// Ports.
type Clause struct {
	Verdict Verdict
	Peer    Peer
	Ports   PortsID
	Log     bool
	// Rules are the rules that each say exactly this, the one to name first.
	Rules []RuleID
}

// Tier is one tier's ordered clauses for one direction. The first clause that
// matches decides; if none does, End: Deny where the tier isolates, else Pass.
// Within TierNamespace all clauses allow, so their order has no effect on
// verdicts.
type Tier struct {
	Kind    TierKind
	Clauses []ClauseID
	End     Verdict
	// EndRules say why End is Deny: the policies that isolate, the one to name
	// first. Empty when End is Pass.
	EndRules []RuleID
}

// Profile is the meaning of all policies for some endpoints in one direction:
// tiers in the order in which they are asked. The profile at index 0 has no
// tiers and serves both directions.
type Profile struct {
	Direction Direction
	Tiers     []TierID
}

// Membership says which endpoints exist and what they belong to.
type Membership struct {
	Classes   []Class
	Nodes     []Node
	Endpoints []Endpoint
}

// Class is what endpoints that no policy tells apart have in common.
type Class struct {
	Profiles [2]ProfileID // indexed by Direction
	Groups   []GroupID    // ascending
}

// Node is a cluster node. Its class has groups and no profiles: policies do
// not govern nodes.
type Node struct {
	Name      string
	Class     ClassID
	Addresses []netip.Addr   // in the order of the source
	PodCIDRs  []netip.Prefix // masked
}

// EndpointKind tells what an endpoint is. The zero value is invalid.
type EndpointKind uint8

// The kinds of endpoint.
const (
	EndpointPod      EndpointKind = iota + 1 // a pod with addresses of its own (or none yet)
	EndpointHostPod                          // a pod on its node's network; its class is 0
	EndpointStandIn                          // a workload that stands for its pods; no addresses
	EndpointFinished                         // a pod that has ended; no addresses, its class is 0
)

// String returns the kind's name.
func (k EndpointKind) String() string {
	switch k {
	case EndpointPod:
		return "pod"
	case EndpointHostPod:
		return "host-pod"
	case EndpointStandIn:
		return "stand-in"
	case EndpointFinished:
		return "finished"
	default:
		return fmt.Sprintf("endpoint(%d)", uint8(k))
	}
}

// Endpoint is a pod or a stand-in. Endpoints are sorted by namespace, name and
// workload, and unique in them.
type Endpoint struct {
	Kind      EndpointKind
	Namespace string
	Name      string
	Workload  string // "Kind/name" of the owner
	Node      NodeID
	Class     ClassID
	Addresses []netip.Addr // at most one of each family is usual; order of the source
}

// String returns "namespace/name".
func (e *Endpoint) String() string { return e.Namespace + "/" + e.Name }
