package oracle

import (
	"fmt"

	"github.com/sluice-net/sluice/internal/model"
)

// decide asks what stands above all policies, then each tier in turn. CNP: the
// Admin tier is evaluated before NetworkPolicy, the Baseline tier after it.
// Sluice: segment rules stand between Admin and NetworkPolicy.
func (e *Evaluator) decide(q question) Decision {
	if samePod(q.subject.pod, q.peer.pod) {
		return Decision{Verdict: model.Allow, Basis: BySelf}
	}
	if q.direction == model.Ingress && onOwnNode(q.subject.pod, q.peer) {
		return Decision{Verdict: model.Allow, Basis: ByLocalNode}
	}
	for _, tier := range []model.Tier{model.TierAdmin, model.TierSegment} {
		if d := e.ordered(tier, &q); d != nil {
			return *d
		}
	}
	if d := e.namespaceTier(&q); d != nil {
		return *d
	}
	if d := e.ordered(model.TierBaseline, &q); d != nil {
		return *d
	}
	// docs and CNP: what no policy decides is allowed. Sluice: unless the
	// compile asks for the opposite.
	return Decision{Verdict: e.fallback, Basis: ByDefault}
}

// samePod reports whether both ends are one pod. CNP overview: a pod's
// traffic to its own address is not subject to policy. A stand-in is many
// pods, so its traffic to itself is between two of them.
func samePod(a, b *model.Pod) bool {
	return a != nil && b != nil && !a.StandIn && !b.StandIn &&
		a.Namespace == b.Namespace && a.Name == b.Name
}

// onOwnNode reports whether peer is the node that runs the pod. NP, ingress:
// traffic is allowed if its source is the pod's local node. Sluice: this holds
// for the other tiers too, since probes come that way; CNP leaves it open.
func onOwnNode(pod *model.Pod, peer party) bool {
	return pod.Node != "" && peer.nodeName == pod.Node
}

// ordered asks a tier of cluster-wide or segment rules and returns nil when
// the tier leaves the decision to what follows. CNP: nothing is isolated by
// being selected; policies go by priority, rules in the order written, and the
// first that matches decides. Pass ends the whole tier, not just its policy.
func (e *Evaluator) ordered(tier model.Tier, q *question) *Decision {
	var d *Decision
	for _, policy := range e.tiers[tier] {
		section := &policy.Sections[q.direction]
		if !section.Applies || !e.selects(&policy.Subject, q.subject.pod) {
			continue
		}
		for i := range section.Rules {
			rule := &section.Rules[i]
			if !e.matches(rule, q) {
				continue
			}
			switch {
			case d == nil && rule.Verdict == model.Pass:
				return nil
			case d == nil && (rule.Verdict == model.Allow || rule.Verdict == model.Deny):
				d = &Decision{Verdict: rule.Verdict, Basis: ByRule, Tier: tier}
			case d == nil:
				panic(fmt.Sprintf("oracle: %s %s has verdict %d", policy.Ref(), rule.ID, rule.Verdict))
			case rule.Verdict != d.Verdict:
				return d
			}
			d.Because = append(d.Because, Because{policy, rule})
		}
	}
	return d
}

// namespaceTier asks the NetworkPolicies and returns nil when none of them
// selects the pod in this direction. NP: a pod that is selected is isolated in
// that direction and has what at least one rule of at least one policy allows;
// policies and rules only add up, so their order means nothing. CNP: this tier
// is final for the pods it selects, and Baseline is not asked about them.
func (e *Evaluator) namespaceTier(q *question) *Decision {
	var isolating, allowing []Because
	for _, policy := range e.networkPolicies[q.subject.pod.Namespace] {
		// NP: policyTypes lists the directions that the policy relates to;
		// rules for another direction have no effect.
		section := &policy.Sections[q.direction]
		if !section.Applies || !e.selects(&policy.Subject, q.subject.pod) {
			continue
		}
		isolating = append(isolating, Because{Policy: policy})
		for i := range section.Rules {
			rule := &section.Rules[i]
			if rule.Verdict == model.Allow && e.matches(rule, q) {
				allowing = append(allowing, Because{policy, rule})
			}
		}
	}
	switch {
	case len(allowing) > 0:
		return &Decision{Verdict: model.Allow, Basis: ByRule, Tier: model.TierNamespace, Because: allowing}
	case len(isolating) > 0:
		return &Decision{Verdict: model.Deny, Basis: ByIsolation, Tier: model.TierNamespace, Because: isolating}
	default:
		return nil
	}
}
