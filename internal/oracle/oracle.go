package oracle

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/internal/model"
)

// End is one end of a connection: a pod, a node, or just an address. Addr is
// the address in use at that end; it may be invalid for a pod or node without
// one, and then no address block matches it. An End with neither Pod nor Node
// is whoever has Addr (see Evaluator.At).
type End struct {
	Pod  *model.Pod
	Node *model.Node
	Addr netip.Addr
}

// Connection is a connection attempt as it appears after service translation.
type Connection struct {
	Src, Dst End
	Protocol model.Protocol
	Port     uint16 // destination port; ignored for protocols without ports
}

// Basis says what kind of reason a decision has. The zero value is invalid.
type Basis uint8

// The reasons.
const (
	ByRule      Basis = iota + 1 // a rule of a policy matched
	ByIsolation                  // NetworkPolicies select the pod and none of their rules matched
	ByDefault                    // nothing decided
	BySelf                       // a pod's traffic to its own address
	ByLocalNode                  // a pod's own node reaches it
)

// String returns the basis in one word.
func (b Basis) String() string {
	return [...]string{"invalid", "rule", "isolation", "default", "self", "local-node"}[b]
}

// Because is one reason for a verdict: a policy and, unless the policy decides
// by isolating, the rule in it.
type Because struct {
	Policy *model.Policy
	Rule   *model.Rule // nil for isolation
}

// Decision is the verdict for one direction and why.
type Decision struct {
	Verdict model.Verdict // Allow or Deny
	Basis   Basis
	Tier    model.Tier // for ByRule and ByIsolation
	// Because holds every reason that is as good as any other, the one to name
	// first: in the namespace tier all rules that allow, or all policies that
	// isolate; in ordered tiers the first rule that matches, then those after
	// it that match and say the same before one that says something else.
	Because []Because
}

// Policy returns the reference of the policy that decides, or "".
func (d *Decision) Policy() string {
	if len(d.Because) == 0 {
		return ""
	}
	return d.Because[0].Policy.Ref()
}

// Rule returns the id of the rule that decides, "isolation", or "".
func (d *Decision) Rule() string {
	switch {
	case len(d.Because) == 0:
		return ""
	case d.Because[0].Rule == nil:
		return "isolation"
	default:
		return d.Because[0].Rule.ID
	}
}

// Answer is the outcome of a connection attempt. A direction is nil where that
// end is not a pod that policies govern.
type Answer struct {
	Verdict         model.Verdict // Allow or Deny
	Ingress, Egress *Decision
}

// Options are the choices that the policies themselves do not make.
type Options struct {
	Default model.Verdict // when no tier decides; zero is Allow
}

// Evaluator answers questions about one snapshot. It keeps pointers into the
// snapshot, which must not change. It is safe for concurrent use.
type Evaluator struct {
	fallback   model.Verdict
	namespaces map[string]model.Labels
	nodes      map[string]*model.Node
	owners     map[netip.Addr]End
	tiers      map[model.Tier][]*model.Policy // each in the order of evaluation
	// networkPolicies are those of the namespace tier, by the namespace that
	// they are in and govern.
	networkPolicies map[string][]*model.Policy
}

// New prepares an evaluator: names and addresses to look up, and each tier's
// policies in order. It evaluates nothing yet.
func New(s *model.Snapshot, o Options) *Evaluator {
	e := &Evaluator{
		fallback:   cmp.Or(o.Default, model.Allow),
		namespaces: map[string]model.Labels{},
		nodes:      map[string]*model.Node{},
		owners:     map[netip.Addr]End{},
		tiers:      map[model.Tier][]*model.Policy{},

		networkPolicies: map[string][]*model.Policy{},
	}
	for i := range s.Namespaces {
		e.namespaces[s.Namespaces[i].Name] = namespaceLabels(s.Namespaces[i].Name, s.Namespaces[i].Labels)
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		e.nodes[n.Name] = n
		for _, a := range n.Addresses {
			e.owners[a] = End{Node: n, Addr: a}
		}
	}
	for i := range s.Pods {
		p := &s.Pods[i]
		// A finished pod has given its address back, and a pod on the host
		// network never had one of its own.
		if p.Finished || p.HostNetwork {
			continue
		}
		for _, a := range p.Addresses {
			e.owners[a] = End{Pod: p, Addr: a}
		}
	}
	for i := range s.Policies {
		p := &s.Policies[i]
		e.tiers[p.Tier] = append(e.tiers[p.Tier], p)
	}
	for _, policies := range e.tiers {
		slices.SortFunc(policies, evaluationOrder)
	}
	for _, p := range e.tiers[model.TierNamespace] {
		ns := p.Subject.Namespaces.Name
		e.networkPolicies[ns] = append(e.networkPolicies[ns], p)
	}
	return e
}

// Decide answers one question about s. For many, keep the Evaluator.
func Decide(s *model.Snapshot, c Connection) Answer {
	return New(s, Options{}).Decide(c)
}

// evaluationOrder sorts a tier's policies. CNP: the lower priority number goes
// first; at equal priorities an implementation may choose. Sluice: then the
// policy whose name sorts first.
func evaluationOrder(a, b *model.Policy) int {
	return cmp.Or(
		cmp.Compare(a.Priority, b.Priority),
		cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Part, b.Part),
	)
}

// At returns the end that has address a now: a running pod, else a node, else
// nothing but the address.
func (e *Evaluator) At(a netip.Addr) End {
	if end, ok := e.owners[a]; ok {
		return end
	}
	return End{Addr: a}
}

// Decide says whether the connection is allowed. docs: a connection needs the
// egress policies at its source and the ingress policies at its destination to
// both allow it; replies are allowed with it.
func (e *Evaluator) Decide(c Connection) Answer {
	src, dst := e.partyOf(c.Src), e.partyOf(c.Dst)
	answer := Answer{Verdict: model.Allow}
	if src.pod != nil {
		d := e.decide(question{model.Egress, src, dst, c.Protocol, c.Port})
		answer.Egress = &d
	}
	if dst.pod != nil {
		d := e.decide(question{model.Ingress, dst, src, c.Protocol, c.Port})
		answer.Ingress = &d
	}
	for _, d := range []*Decision{answer.Egress, answer.Ingress} {
		if d != nil && d.Verdict == model.Deny {
			answer.Verdict = model.Deny
		}
	}
	return answer
}

// Covers reports whether a rule of a policy says something about one direction
// of the connection: the policy governs that end, and the rule matches. Other
// rules may still decide.
func (e *Evaluator) Covers(c Connection, d model.Direction, b Because) bool {
	q := question{d, e.partyOf(c.Dst), e.partyOf(c.Src), c.Protocol, c.Port}
	if d == model.Egress {
		q.subject, q.peer = q.peer, q.subject
	}
	return q.subject.pod != nil && b.Policy.Sections[d].Applies &&
		e.selects(&b.Policy.Subject, q.subject.pod) && e.matches(b.Rule, &q)
}

// party is an end as policies see it: a pod that they govern, a node, or an
// address that is neither.
type party struct {
	pod      *model.Pod
	node     *model.Node // nil when this end is no node
	nodeName string      // of the node that this end is; "" when it is none
	addr     netip.Addr
}

// partyOf settles what an end is.
func (e *Evaluator) partyOf(end End) party {
	if end.Pod == nil && end.Node == nil {
		end = e.At(end.Addr)
	}
	switch {
	case end.Pod == nil && end.Node == nil:
		return party{addr: end.Addr}
	case end.Pod == nil:
		return party{node: end.Node, nodeName: end.Node.Name, addr: end.Addr}
	case end.Pod.Finished:
		// Sluice: a pod that has succeeded or failed sends nothing and is
		// matched by nothing; what uses its address is somebody else.
		return party{addr: end.Addr}
	case end.Pod.HostNetwork:
		// CNP: pods on the host network are neither subjects nor pod peers.
		// docs: for NetworkPolicy such a pod's traffic is best treated as its
		// node's, which only ipBlock rules see.
		return party{node: e.nodeOf(end.Pod), nodeName: end.Pod.Node, addr: end.Addr}
	default:
		return party{pod: end.Pod, addr: end.Addr}
	}
}

// nodeOf returns the node that the pod is on; nil when it is on none. Sluice:
// a node that only pods mention exists, with no labels known.
func (e *Evaluator) nodeOf(p *model.Pod) *model.Node {
	if p.Node == "" {
		return nil
	}
	if n := e.nodes[p.Node]; n != nil {
		return n
	}
	return &model.Node{Name: p.Node}
}

// question is one direction of a connection, from the governed pod's side.
type question struct {
	direction     model.Direction
	subject, peer party
	protocol      model.Protocol
	port          uint16
}

// destination returns the pod that the connection goes to; nil when it goes
// to something else.
func (q *question) destination() *model.Pod {
	if q.direction == model.Egress {
		return q.peer.pod
	}
	return q.subject.pod
}
