package compiler

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/compiler/ir"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// resolved is the snapshot with pods put into classes and everything sorted.
type resolved struct {
	snap     *model.Snapshot
	policies []*model.Policy // in the order in which they decide
	nodes    []*model.Node   // by name
	nodeID   map[string]int
	pods     []*model.Pod // by namespace, name, workload
	podClass []ir.ClassID // by index of pods; NoClass where policies do not reach
	classes  []class
	index    *index
}

// class is a set of pods alike in everything that some policy looks at.
type class struct {
	namespace string
	labels    []label // of the keys that selectors use, by key
	ports     []model.ContainerPort
	portsKey  string // canonical text of ports
	pods      int
}

type label struct{ key, value string }

// value returns the class's value of a label.
func (c *class) value(key string) (string, bool) {
	for i := range c.labels {
		if c.labels[i].key == key {
			return c.labels[i].value, true
		}
	}
	return "", false
}

// governed reports whether policies apply to the pod and select it. A pod on
// its node's network is its node; a finished pod has no traffic.
func governed(p *model.Pod) bool { return !p.HostNetwork && !p.Finished }

func resolve(s *model.Snapshot) (*resolved, diag.List) {
	var ds diag.List
	r := &resolved{snap: s, nodeID: map[string]int{}}
	r.sortPolicies(&ds)
	r.sortNodes(&ds)
	r.sortPods(&ds)
	r.checkAddresses(&ds)
	r.classify()
	r.index = newIndex(r)
	return r, ds
}

// sortPolicies puts policies in the order in which they decide: tier, priority,
// and at a tie the name that sorts first.
func (r *resolved) sortPolicies(ds *diag.List) {
	for i := range r.snap.Policies {
		r.policies = append(r.policies, &r.snap.Policies[i])
	}
	order := func(a, b *model.Policy) int {
		return cmp.Or(
			cmp.Compare(a.Tier, b.Tier),
			cmp.Compare(a.Priority, b.Priority),
			cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Part, b.Part),
		)
	}
	slices.SortFunc(r.policies, func(a, b *model.Policy) int {
		return cmp.Or(order(a, b), a.Pos.Compare(b.Pos))
	})
	seen := make(map[string]*model.Policy, len(r.policies))
	for _, p := range r.policies {
		key := p.Ref() + "\x00" + p.Part
		if q := seen[key]; q != nil {
			ds.Errorf("NP009", p.Pos, "a second %s; the first is at %v", p.Ref(), q.Pos)
			continue
		}
		seen[key] = p
	}
}

func (r *resolved) sortNodes(ds *diag.List) {
	for i := range r.snap.Nodes {
		r.nodes = append(r.nodes, &r.snap.Nodes[i])
	}
	known := map[string]bool{}
	for _, n := range r.nodes {
		known[n.Name] = true
	}
	// A node that only pods mention still needs its place in the artifact.
	for i := range r.snap.Pods {
		if name := r.snap.Pods[i].Node; name != "" && !known[name] {
			known[name] = true
			r.nodes = append(r.nodes, &model.Node{Name: name})
		}
	}
	slices.SortFunc(r.nodes, func(a, b *model.Node) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Pos.Compare(b.Pos))
	})
	for i, n := range r.nodes {
		if i > 0 && r.nodes[i-1].Name == n.Name {
			ds.Errorf("", n.Pos, "a second node %q; the first is at %v", n.Name, r.nodes[i-1].Pos)
		}
		r.nodeID[n.Name] = i
	}
}

func comparePods(a, b *model.Pod) int {
	return cmp.Or(
		cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Workload, b.Workload),
	)
}

func (r *resolved) sortPods(ds *diag.List) {
	r.pods = make([]*model.Pod, len(r.snap.Pods))
	for i := range r.snap.Pods {
		r.pods[i] = &r.snap.Pods[i]
	}
	slices.SortFunc(r.pods, func(a, b *model.Pod) int {
		return cmp.Or(comparePods(a, b), a.Pos.Compare(b.Pos))
	})
	for i := 1; i < len(r.pods); i++ {
		if p, q := r.pods[i], r.pods[i-1]; comparePods(p, q) == 0 {
			ds.Errorf("", p.Pos, "a second %s %s/%s; the first is at %v", podNoun(p), p.Namespace, p.Name, q.Pos)
		}
	}
}

func podNoun(p *model.Pod) string {
	if p.StandIn {
		return strings.SplitN(p.Workload, "/", 2)[0]
	}
	return "Pod"
}

// checkAddresses insists that an address belongs to one pod or node: a verdict
// by address would be a guess otherwise.
func (r *resolved) checkAddresses(ds *diag.List) {
	pods := make(map[netip.Addr]*model.Pod, len(r.pods))
	nodes := make(map[netip.Addr]*model.Node)
	for _, n := range r.nodes {
		for _, a := range n.Addresses {
			if m := nodes[a]; m != nil && m != n {
				ds.Add(diag.Diagnostic{
					Severity: diag.Error, Pos: n.Pos, Object: "Node/" + n.Name,
					Message: "address " + a.String() + " is also that of node " + m.Name + " (" + m.Pos.String() + ")",
					Hint:    "an address belongs to one node; remove the stale object",
				})
			}
			nodes[a] = n
		}
	}
	for _, p := range r.pods {
		if !governed(p) {
			continue
		}
		for _, a := range p.Addresses {
			other := ""
			if q := pods[a]; q != nil && q != p {
				other = "pod " + q.Namespace + "/" + q.Name + " (" + q.Pos.String() + ")"
			} else if n := nodes[a]; n != nil {
				other = "node " + n.Name + " (" + n.Pos.String() + ")"
			}
			if other != "" {
				ds.Add(diag.Diagnostic{
					Severity: diag.Error, Pos: p.Pos, Object: "Pod/" + p.Namespace + "/" + p.Name,
					Message: "address " + a.String() + " is also that of " + other,
					Hint:    "an address belongs to one running pod; remove the stale object, or correct its phase",
				})
			}
			pods[a] = p
		}
	}
}

// classify puts governed pods that agree in namespace, in the labels that some
// selector names and in the named ports that some policy names into classes.
func (r *resolved) classify() {
	keys, names := r.vocabulary()
	byKey := map[string]ir.ClassID{}
	r.podClass = make([]ir.ClassID, len(r.pods))
	var buf []byte
	var labels []label
	for i, p := range r.pods {
		if !governed(p) {
			r.podClass[i] = ir.NoClass
			continue
		}
		labels = labels[:0]
		if len(p.Labels) < len(keys) {
			for k, v := range p.Labels {
				if keys[k] {
					labels = append(labels, label{k, v})
				}
			}
		} else {
			for k := range keys {
				if v, ok := p.Labels[k]; ok {
					labels = append(labels, label{k, v})
				}
			}
		}
		slices.SortFunc(labels, func(a, b label) int { return cmp.Compare(a.key, b.key) })
		ports, portsKey := namedPorts(p.Ports, names)

		buf = append(buf[:0], p.Namespace...)
		for _, l := range labels {
			buf = append(buf, 0)
			buf = append(buf, l.key...)
			buf = append(buf, 1)
			buf = append(buf, l.value...)
		}
		buf = append(buf, 2)
		buf = append(buf, portsKey...)
		id, ok := byKey[string(buf)]
		if !ok {
			id = ir.ClassID(len(r.classes))
			byKey[string(buf)] = id
			r.classes = append(r.classes, class{
				namespace: p.Namespace, labels: slices.Clone(labels), ports: ports, portsKey: portsKey,
			})
		}
		r.classes[id].pods++
		r.podClass[i] = id
	}
}

// vocabulary returns the label keys that pod selectors name and the port names
// that policies name: what else a pod has, no policy can see.
func (r *resolved) vocabulary() (keys, ports map[string]bool) {
	keys, ports = map[string]bool{}, map[string]bool{}
	add := func(s model.Selector) {
		for _, q := range s.Requirements {
			keys[q.Key] = true
		}
	}
	for _, p := range r.policies {
		add(p.Subject.Pods)
		for _, d := range model.Directions {
			for i := range p.Sections[d].Rules {
				rule := &p.Sections[d].Rules[i]
				for j := range rule.Peers {
					if rule.Peers[j].Kind == model.PeerPods {
						add(rule.Peers[j].Pods)
					}
				}
				for _, port := range rule.Ports {
					if port.Name != "" {
						ports[port.Name] = true
					}
				}
			}
		}
	}
	return keys, ports
}

// namedPorts returns the ports that have a name in names, sorted, and their
// canonical text.
func namedPorts(all []model.ContainerPort, names map[string]bool) ([]model.ContainerPort, string) {
	if len(names) == 0 {
		return nil, ""
	}
	var out []model.ContainerPort
	for _, p := range all {
		if p.Name != "" && names[p.Name] {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil, ""
	}
	slices.SortFunc(out, func(a, b model.ContainerPort) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Number, b.Number))
	})
	out = slices.Compact(out)
	var b []byte
	for _, p := range out {
		b = append(b, p.Name...)
		b = append(b, 0, byte(p.Protocol), byte(p.Number>>8), byte(p.Number))
	}
	return out, string(b)
}
