package shrink

import (
	"maps"
	"slices"

	"github.com/sluice-net/sluice/internal/model"
)

// clone copies everything that a reducer writes to.
func clone(s *model.Snapshot) *model.Snapshot {
	out := &model.Snapshot{
		Inputs:     slices.Clone(s.Inputs),
		Namespaces: slices.Clone(s.Namespaces),
		Nodes:      slices.Clone(s.Nodes),
		Pods:       slices.Clone(s.Pods),
		Services:   slices.Clone(s.Services),
		Policies:   slices.Clone(s.Policies),
	}
	for i := range out.Namespaces {
		out.Namespaces[i].Labels = maps.Clone(out.Namespaces[i].Labels)
	}
	for i := range out.Nodes {
		out.Nodes[i].Labels = maps.Clone(out.Nodes[i].Labels)
	}
	for i := range out.Pods {
		out.Pods[i].Labels = maps.Clone(out.Pods[i].Labels)
	}
	for i := range out.Policies {
		p := &out.Policies[i]
		p.Subject.Pods = cloneSelector(p.Subject.Pods)
		p.Subject.Namespaces.Selector = cloneSelector(p.Subject.Namespaces.Selector)
		for d := range p.Sections {
			p.Sections[d].Rules = slices.Clone(p.Sections[d].Rules)
			for j := range p.Sections[d].Rules {
				r := &p.Sections[d].Rules[j]
				r.Peers = slices.Clone(r.Peers)
				for k := range r.Peers {
					q := &r.Peers[k]
					q.Pods, q.Nodes = cloneSelector(q.Pods), cloneSelector(q.Nodes)
					q.Namespaces.Selector = cloneSelector(q.Namespaces.Selector)
				}
			}
		}
	}
	return out
}

func cloneSelector(s model.Selector) model.Selector {
	return model.Selector{Requirements: slices.Clone(s.Requirements)}
}
