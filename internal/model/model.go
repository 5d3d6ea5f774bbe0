// Package model is the validated, positioned intent that every front end
// produces and the compiler consumes: cluster inventory and policies, free of
// YAML, Rego, Kubernetes API types and kernel types.
//
// Absence is always spelled out here. Where an API distinguishes "absent" from
// "empty" (peers, ports, policyTypes), the front end has decided and set an
// explicit field, so that no later stage can confuse the two; a zero value
// matches nothing.
package model

import (
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/internal/diag"
)

// Snapshot is everything one compile sees. Slices may be in any order.
type Snapshot struct {
	Inputs     []Input
	Namespaces []Namespace
	Nodes      []Node
	Pods       []Pod
	Services   []Service
	Policies   []Policy
}

// Input is one document source that the snapshot was read from.
type Input struct {
	// Path is what the user typed or what was found below it; diag.Pos.File
	// holds this value.
	Path string
	// Name is the machine-independent name that goes into artifacts: the path
	// relative to the argument under which it was found.
	Name string
	// Digest is the SHA-256 of the raw bytes.
	Digest [32]byte
}

// Labels are the labels of an object.
type Labels map[string]string

// NamespaceNameLabel is the label that the API server sets on every namespace;
// front ends add it where an offline manifest lacks it.
const NamespaceNameLabel = "kubernetes.io/metadata.name"

// Namespace is a Kubernetes namespace.
type Namespace struct {
	Name   string
	Labels Labels
	// Synthetic is true for a namespace that only other objects mention.
	Synthetic bool
	Pos       diag.Pos
}

// Node is a cluster node.
type Node struct {
	Name      string
	Labels    Labels
	Addresses []netip.Addr   // internal and external addresses of status.addresses
	PodCIDRs  []netip.Prefix // spec.podCIDRs
	Pos       diag.Pos
}

// Pod is a pod, or a workload that stands in for the pods it will create.
type Pod struct {
	Namespace string
	Name      string
	// Workload is "Kind/name" of the top-level owner ("Deployment/web"), or
	// "Pod/name" for a pod without one.
	Workload string
	// StandIn is true for a workload template without real pods in the input.
	// It has labels and ports, and no addresses.
	StandIn     bool
	Labels      Labels
	Node        string // spec.nodeName; "" when not scheduled
	Addresses   []netip.Addr
	HostNetwork bool // shares its node's addresses: it is its node, not a pod, for policy
	Finished    bool // phase Succeeded or Failed: its address may be somebody else's by now
	Ports       []ContainerPort
	Pos         diag.Pos
}

// ContainerPort is a port that a container of the pod declares.
type ContainerPort struct {
	Name     string // "" when the port has no name
	Number   uint16
	Protocol Protocol
}

// Service is a Kubernetes Service, kept for lint checks and reports: policies
// apply to connections after service translation.
type Service struct {
	Namespace string
	Name      string
	Selector  Labels // nil when the service has none
	Addresses []netip.Addr
	Ports     []ServicePort
	Pos       diag.Pos
}

// ServicePort is one port of a Service.
type ServicePort struct {
	Name       string
	Protocol   Protocol
	Port       uint16
	TargetPort uint16 // 0 when it is a name
	TargetName string
}

// Protocol is an IP protocol number as IANA assigns it.
type Protocol uint8

// The protocols that policies and queries name.
const (
	AnyProtocol Protocol = 0 // only in Port.Protocol
	ICMP        Protocol = 1
	TCP         Protocol = 6
	UDP         Protocol = 17
	ICMPv6      Protocol = 58
	SCTP        Protocol = 132
)

// HasPorts reports whether the protocol carries port numbers that policies can
// match.
func (p Protocol) HasPorts() bool { return p == TCP || p == UDP || p == SCTP }

// String returns the protocol's name as Kubernetes writes it, or its number.
func (p Protocol) String() string {
	switch p {
	case AnyProtocol:
		return "any"
	case ICMP:
		return "ICMP"
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case ICMPv6:
		return "ICMPv6"
	case SCTP:
		return "SCTP"
	default:
		return fmt.Sprintf("protocol-%d", uint8(p))
	}
}

// Direction of a connection as seen from the pod that a policy governs.
type Direction uint8

// The directions; also indices of two-element arrays.
const (
	Ingress Direction = 0
	Egress  Direction = 1
)

// Directions lists both, for ranging.
var Directions = [2]Direction{Ingress, Egress}

// String returns "ingress" or "egress".
func (d Direction) String() string {
	if d == Egress {
		return "egress"
	}
	return "ingress"
}

// Tier is an evaluation band. Lower values are asked first.
type Tier uint8

// The tiers in the order in which they are asked. The zero value is invalid.
const (
	TierAdmin     Tier = iota + 1 // ClusterNetworkPolicy Admin, AdminNetworkPolicy
	TierSegment                   // Rego segment rules
	TierNamespace                 // NetworkPolicy
	TierBaseline                  // ClusterNetworkPolicy Baseline, BaselineAdminNetworkPolicy
)

// String returns the tier's name as the command line prints it.
func (t Tier) String() string {
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

// Verdict is what a rule says. The zero value is invalid.
type Verdict uint8

// The verdicts.
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
