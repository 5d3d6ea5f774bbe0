package query

import (
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/internal/artifact"
)

// Answer is eval's line of output. Egress and Ingress are nil where that end is
// not a pod that policies govern.
type Answer struct {
	Verdict string    `json:"verdict"` // "allow" or "deny"
	Egress  *Decision `json:"egress"`
	Ingress *Decision `json:"ingress"`
}

// Decision says what decided one direction.
type Decision struct {
	Verdict string `json:"verdict"`
	// Tier is "admin", "segment", "namespace" or "baseline"; "default" when
	// none decided; "self" for a pod's traffic to its own address; "node" for
	// what the pod's own node sends.
	Tier   string `json:"tier"`
	Policy string `json:"policy"` // "Kind/namespace/name"; "" for the last three
	Rule   string `json:"rule"`   // its id, or "isolation"
	Source string `json:"source"` // "file:line"
}

// Eval answers q. It fails when q names nothing that is there, or when pods of
// one workload would get different answers.
func (e *Evaluator) Eval(q Query) (Answer, error) {
	all, err := e.Results(q)
	if err != nil {
		return Answer{}, err
	}
	first := all[0]
	return Answer{
		Verdict: first.Verdict.String(),
		Egress:  e.decision(first.Egress),
		Ingress: e.decision(first.Ingress),
	}, nil
}

// Results returns the outcomes that q stands for: one, or for workloads one
// for each pair of their pods, which all have the verdicts of the first. It
// fails where Eval does.
func (e *Evaluator) Results(q Query) ([]artifact.Result, error) {
	flows, err := e.flows(q)
	if err != nil {
		return nil, err
	}
	all := make([]artifact.Result, len(flows))
	for i, f := range flows {
		all[i] = e.rs.Decide(f)
		if !sameVerdicts(all[i], all[0]) {
			return nil, fmt.Errorf(
				"pods of one workload differ: %s -> %s is %v, %s -> %s is %v: ask for pods",
				e.name(flows[0].Src), e.name(flows[0].Dst), all[0].Verdict,
				e.name(f.Src), e.name(f.Dst), all[i].Verdict)
		}
	}
	return all, nil
}

// Check returns why x, which stands in the named field, is no end of a
// connection.
func (e *Evaluator) Check(field string, x End) error {
	_, err := e.ends(field, x)
	return err
}

// Describe returns d as answers have it; nil for nil.
func (e *Evaluator) Describe(d *artifact.Decision) *Decision { return e.decision(d) }

func sameVerdicts(a, b artifact.Result) bool {
	same := func(x, y *artifact.Decision) bool {
		return (x == nil) == (y == nil) && (x == nil || x.Verdict == y.Verdict)
	}
	return same(a.Egress, b.Egress) && same(a.Ingress, b.Ingress)
}

func (e *Evaluator) decision(d *artifact.Decision) *Decision {
	if d == nil {
		return nil
	}
	out := &Decision{Verdict: d.Verdict.String()}
	switch d.Basis {
	case artifact.BySelf:
		out.Tier = "self"
	case artifact.ByLocalNode:
		out.Tier = "node"
	case artifact.ByDefault:
		out.Tier = "default"
	case artifact.ByClause, artifact.ByIsolation:
		r := &e.rs.Program.Rules[d.Rules[0]]
		out.Tier = e.rs.Program.Tiers[d.Tier].Kind.String()
		out.Policy, out.Rule, out.Source = r.Policy(), r.ID, r.Source()
	}
	return out
}

// name returns what people call an end.
func (e *Evaluator) name(x artifact.End) string {
	m := &e.rs.Membership
	switch {
	case x.Endpoint >= 0:
		ep := &m.Endpoints[x.Endpoint]
		if ep.Kind == artifact.EndpointStandIn {
			return ep.Namespace + "/" + ep.Workload
		}
		return withAddr(ep.String(), x.Addr)
	case x.Node >= 0:
		return withAddr("node "+m.Nodes[x.Node].Name, x.Addr)
	case x.Addr.IsValid():
		return x.Addr.String()
	default:
		return "a pod on its node's network"
	}
}

func withAddr(name string, a netip.Addr) string {
	if !a.IsValid() {
		return name
	}
	return name + " (" + a.String() + ")"
}
