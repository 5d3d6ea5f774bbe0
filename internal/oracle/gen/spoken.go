package gen

import (
	"slices"

	"github.com/sluice-net/sluice/internal/model"
)

// spoken turns the policies around NetworkPolicy into ones that manifests can
// say: without segment rules, and with what the API's cluster-wide policies
// lack replaced by something near that they have. A node that only pods
// mention gets the addresses of those that share its network.
func (g *small) spoken() {
	g.s.Policies = slices.DeleteFunc(g.s.Policies, func(p model.Policy) bool { return p.Tier == model.TierSegment })
	for i := range g.s.Pods {
		p := &g.s.Pods[i]
		known := slices.ContainsFunc(g.s.Nodes, func(n model.Node) bool { return n.Name == p.Node })
		if !known && p.Node != "" && p.HostNetwork && !p.Finished {
			g.s.Nodes = append(g.s.Nodes, model.Node{Name: p.Node, Addresses: p.Addresses})
		}
	}
	baseline := false
	for i := range g.s.Policies {
		p := &g.s.Policies[i]
		if p.Tier == model.TierNamespace {
			continue
		}
		// A cluster has at most one policy of this kind. It has no priority and
		// comes last.
		if p.Tier == model.TierBaseline && !baseline && g.chance(50) {
			p.Kind, p.Name, p.Priority = "BaselineAdminNetworkPolicy", "default", 1001
			baseline = true
		}
		for _, d := range model.Directions {
			s := &p.Sections[d]
			if !s.Applies {
				s.Rules = nil
			}
			s.Applies = len(s.Rules) > 0
			for j := range s.Rules {
				g.spokenRule(&s.Rules[j], d, p.Kind)
			}
		}
	}
}

func (g *small) spokenRule(r *model.Rule, d model.Direction, kind string) {
	if kind == "BaselineAdminNetworkPolicy" && r.Verdict == model.Pass {
		r.Verdict = model.Deny
	}
	r.Peers = slices.DeleteFunc(r.Peers, func(p model.Peer) bool {
		switch p.Kind {
		case model.PeerPods:
			return false
		case model.PeerDomain:
			return r.Verdict != model.Allow || kind == "BaselineAdminNetworkPolicy"
		default:
			return d == model.Ingress
		}
	})
	podsOnly := true
	for i := range r.Peers {
		r.Peers[i].Except = nil
		podsOnly = podsOnly && r.Peers[i].Kind == model.PeerPods
	}
	if len(r.Peers) == 0 {
		r.Peers = []model.Peer{{Kind: model.PeerPods}}
	}
	r.AnyPeer = false
	r.Ports = slices.DeleteFunc(r.Ports, func(p model.Port) bool { return p.Name != "" && !podsOnly })
	for i := range r.Ports {
		switch p := &r.Ports[i]; {
		case p.Name != "":
			p.Protocol = model.AnyProtocol
		case p.Protocol == model.AnyProtocol:
			p.Protocol = model.UDP
			fallthrough
		default:
			p.Low = max(p.Low, 1)
		}
	}
	if !r.AnyPort && len(r.Ports) == 0 {
		r.Ports = []model.Port{{Protocol: model.TCP, Low: 80, High: 80}}
	}
}
