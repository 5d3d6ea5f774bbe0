package rego

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluice-net/sluice/internal/model"
)

// The kinds of endpoint, as rules see them.
const (
	KindPod  = "pod"  // a pod with a network of its own
	KindNode = "node" // a node, or a pod on its network
	KindIP   = "ip"   // an address that is neither
)

// Endpoint is one end of a connection, as rules see it. Nodes and addresses
// have no namespace: its name is "" and its labels are empty.
type Endpoint struct {
	Kind            string
	IP              netip.Addr // invalid: undefined
	Name            string     // "": undefined
	Labels          model.Labels
	Namespace       string
	NamespaceLabels model.Labels
}

// Input is the document that rules are asked about: one connection attempt.
// Its port is undefined for protocols without ports.
type Input struct {
	Src, Dst Endpoint
	Protocol model.Protocol
	Port     uint16
}

// protocolName is the value of input.protocol: ICMP stands for ICMPv6 too, and
// a protocol without a name here is its number.
func protocolName(p model.Protocol) string {
	switch p {
	case model.TCP, model.UDP, model.SCTP, model.ICMP:
		return p.String()
	case model.ICMPv6:
		return model.ICMP.String()
	default:
		return fmt.Sprint(uint8(p))
	}
}

// protocolNames are those that have a name.
var protocolNames = []string{"TCP", "UDP", "SCTP", "ICMP"}

// knownProtocol reports whether input.protocol can be s.
func knownProtocol(s string) bool {
	for _, n := range protocolNames {
		if s == n {
			return true
		}
	}
	var n uint8
	_, err := fmt.Sscanf(s, "%d", &n)
	return err == nil && fmt.Sprint(n) == s && protocolName(model.Protocol(n)) == s
}

func labelsTerm(l model.Labels) *ast.Term {
	o := ast.NewObjectWithCapacity(len(l))
	for k, v := range l {
		o.Insert(ast.StringTerm(k), ast.StringTerm(v))
	}
	return ast.NewTerm(o)
}

var (
	keyKind      = ast.StringTerm("kind")
	keyIP        = ast.StringTerm("ip")
	keyName      = ast.StringTerm("name")
	keyLabels    = ast.StringTerm("labels")
	keyNamespace = ast.StringTerm("namespace")
	keySrc       = ast.StringTerm("src")
	keyDst       = ast.StringTerm("dst")
	keyProtocol  = ast.StringTerm("protocol")
	keyPort      = ast.StringTerm("port")
)

func (e *Endpoint) term() *ast.Term {
	o := ast.NewObjectWithCapacity(5)
	o.Insert(keyKind, ast.StringTerm(e.Kind))
	o.Insert(keyLabels, labelsTerm(e.Labels))
	o.Insert(keyNamespace, ast.ObjectTerm(
		[2]*ast.Term{keyName, ast.StringTerm(e.Namespace)},
		[2]*ast.Term{keyLabels, labelsTerm(e.NamespaceLabels)},
	))
	if e.IP.IsValid() {
		o.Insert(keyIP, ast.StringTerm(e.IP.String()))
	}
	if e.Name != "" {
		o.Insert(keyName, ast.StringTerm(e.Name))
	}
	return ast.NewTerm(o)
}

func (in *Input) term() *ast.Term { return in.with(in.Src.term(), in.Dst.term()) }

// with returns the input's term, given those of its ends.
func (in *Input) with(src, dst *ast.Term) *ast.Term {
	o := ast.NewObjectWithCapacity(4)
	o.Insert(keySrc, src)
	o.Insert(keyDst, dst)
	o.Insert(keyProtocol, ast.StringTerm(protocolName(in.Protocol)))
	if in.Protocol.HasPorts() {
		o.Insert(keyPort, ast.IntNumberTerm(int(in.Port)))
	}
	return ast.NewTerm(o)
}

// String renders the input on one line, leaving out what is empty.
func (in *Input) String() string {
	port := ""
	if in.Protocol.HasPorts() {
		port = fmt.Sprintf(" port %d", in.Port)
	}
	return fmt.Sprintf("src %v, dst %v, %s%s", &in.Src, &in.Dst, protocolName(in.Protocol), port)
}

func (e *Endpoint) String() string {
	parts := []string{"kind=" + e.Kind}
	if e.IP.IsValid() {
		parts = append(parts, "ip="+e.IP.String())
	}
	if e.Namespace != "" {
		parts = append(parts, "namespace="+e.Namespace)
	}
	for _, k := range sortedKeys(e.NamespaceLabels) {
		if k != model.NamespaceNameLabel {
			parts = append(parts, fmt.Sprintf("namespace label %s=%q", k, e.NamespaceLabels[k]))
		}
	}
	for _, k := range sortedKeys(e.Labels) {
		parts = append(parts, fmt.Sprintf("label %s=%q", k, e.Labels[k]))
	}
	return "{" + strings.Join(parts, " ") + "}"
}
