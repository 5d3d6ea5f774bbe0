package lint

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/internal/model"
)

// version reports kinds that ClusterNetworkPolicy has replaced.
func (l *linter) version(p *model.Policy) {
	tier := ""
	switch p.Kind {
	case "AdminNetworkPolicy":
		tier = "Admin"
	case "BaselineAdminNetworkPolicy":
		tier = "Baseline"
	default:
		return
	}
	l.warn("NP409", p.Pos, p.Ref(), p.Kind+" of policy.networking.k8s.io/v1alpha1 has been replaced, and current releases of the API do not install it",
		"write a ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2 with tier: "+tier)
}

// ties reports policies of one tier and priority that say different things
// about the same traffic: the API lets an implementation choose.
func (l *linter) ties() {
	type level struct {
		tier     model.Tier
		priority int32
	}
	levels := map[level][]*model.Policy{}
	for i := range l.s.Policies {
		if p := &l.s.Policies[i]; p.Tier == model.TierAdmin || p.Tier == model.TierBaseline {
			k := level{p.Tier, p.Priority}
			levels[k] = append(levels[k], p)
		}
	}
	for _, same := range levels {
		slices.SortFunc(same, func(a, b *model.Policy) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
		})
		for i, p := range same {
			for _, before := range same[:i] {
				if d, first, second := l.disagree(before, p); first != nil {
					l.warn("NP401", second.Pos, p.Ref(),
						fmt.Sprintf("has the same tier and priority %d as %s, and %s says %v where its %s says %v; the API leaves it open which of them counts, Sluice lets the policy go first whose name sorts first",
							p.Priority, before.Ref(), ruleIn(d, second), second.Verdict, ruleIn(d, first), first.Verdict),
						"give them different priorities")
					break
				}
			}
		}
	}
}

func ruleIn(d model.Direction, r *model.Rule) string { return fmt.Sprintf("%s rule %q", d, r.ID) }

// disagree returns the first rules of two policies that may match the same
// connection of the same pod with different verdicts.
func (l *linter) disagree(p, q *model.Policy) (model.Direction, *model.Rule, *model.Rule) {
	if !l.blind && !l.sel.Overlap(p.Subject.Namespaces, p.Subject.Pods, q.Subject.Namespaces, q.Subject.Pods) {
		return 0, nil, nil
	}
	for _, d := range model.Directions {
		for i := range p.Sections[d].Rules {
			for j := range q.Sections[d].Rules {
				a, b := &p.Sections[d].Rules[i], &q.Sections[d].Rules[j]
				if a.Verdict != b.Verdict && sharePorts(a, b) && l.sharePeers(a, b) {
					return d, a, b
				}
			}
		}
	}
	return 0, nil, nil
}

func sharePorts(a, b *model.Rule) bool {
	if a.AnyPort || b.AnyPort {
		return true
	}
	return slices.ContainsFunc(a.Ports, func(p model.Port) bool {
		return slices.ContainsFunc(b.Ports, func(q model.Port) bool {
			if p.Protocol != q.Protocol && p.Protocol != model.AnyProtocol && q.Protocol != model.AnyProtocol {
				return false
			}
			// What number a name has, each pod says for itself.
			return p.Name != "" || q.Name != "" || p.Low <= q.High && q.Low <= p.High
		})
	})
}

func (l *linter) sharePeers(a, b *model.Rule) bool {
	if a.AnyPeer || b.AnyPeer {
		return true
	}
	return slices.ContainsFunc(a.Peers, func(p model.Peer) bool {
		return slices.ContainsFunc(b.Peers, func(q model.Peer) bool {
			switch {
			case p.Kind == model.PeerPods && q.Kind == model.PeerPods:
				return l.blind || l.sel.Overlap(p.Namespaces, p.Pods, q.Namespaces, q.Pods)
			case p.Kind == model.PeerBlock && q.Kind == model.PeerBlock:
				return p.Block.Overlaps(q.Block)
			case p.Kind == model.PeerPods && q.Kind == model.PeerNodes, p.Kind == model.PeerNodes && q.Kind == model.PeerPods:
				return false
			default: // may come down to the same addresses
				return true
			}
		})
	})
}
