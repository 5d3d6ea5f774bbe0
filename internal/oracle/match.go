package oracle

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/internal/model"
)

// matches reports whether a rule covers the connection. NP: traffic must match
// both its peers and its ports.
func (e *Evaluator) matches(rule *model.Rule, q *question) bool {
	if rule.AnyPeer {
		return matchesPorts(rule, q, nil)
	}
	return slices.ContainsFunc(rule.Peers, func(p model.Peer) bool {
		return e.matchesPeer(&p, q.peer) && matchesPorts(rule, q, &p)
	})
}

// matchesPeer decides one item of a list of peers; one has to match. NP: an
// absent or empty list matches every source or destination, and the front end
// sets AnyPeer for it.
func (e *Evaluator) matchesPeer(p *model.Peer, peer party) bool {
	switch p.Kind {
	case model.PeerPods:
		// NP: both selectors of one item have to match. Nodes and outside
		// addresses are not pods; neither are pods on the host network.
		return peer.pod != nil && e.inNamespace(p.Namespaces, peer.pod) && matchesLabels(p.Pods, peer.pod.Labels)
	case model.PeerBlock:
		// NP: addresses in the cidr and not in any except. CNP: networks
		// cover pods as well as the outside; a CIDR is of one family. NP says
		// blocks are meant for the outside, and its conformance tests have
		// them match pods.
		return inBlock(peer.addr, p.Block) &&
			!slices.ContainsFunc(p.Except, func(x netip.Prefix) bool { return inBlock(peer.addr, x) })
	case model.PeerNodes:
		// CNP: nodes by label; they match the addresses in their status.
		return peer.node != nil && matchesLabels(p.Nodes, peer.node.Labels)
	default:
		// The addresses of a domain are known only where they are learned, so
		// a domain matches nothing here.
		return false
	}
}

// inBlock reports whether the address is known and in the prefix. An IPv4
// prefix has no IPv6 addresses, nor the other way around.
func inBlock(a netip.Addr, p netip.Prefix) bool {
	return a.IsValid() && a.Is4() == p.Addr().Is4() && p.Contains(a)
}

// matchesPorts: NP: an absent or empty list of ports matches all traffic, not
// restricted by port (and so by protocol); otherwise one item has to match.
func matchesPorts(rule *model.Rule, q *question, through *model.Peer) bool {
	if rule.AnyPort {
		return true
	}
	return slices.ContainsFunc(rule.Ports, func(p model.Port) bool {
		// NP: a named port is a port on a pod. Sluice: where egress chooses its
		// destination by address, no pod is meant, and a name stands for nothing.
		if p.Name != "" && q.direction == model.Egress && through != nil && through.Kind != model.PeerPods {
			return false
		}
		return matchesPort(&p, q)
	})
}

func matchesPort(p *model.Port, q *question) bool {
	// docs: what policies that name protocols mean for ICMP and others is
	// undefined. Sluice: an item that names ports or a protocol never matches
	// traffic without ports.
	if !q.protocol.HasPorts() {
		return false
	}
	if p.Protocol != q.protocol && p.Protocol != model.AnyProtocol {
		return false
	}
	if p.Name == "" {
		// NP: endPort is inclusive. KEP-2079. Without a port number an item
		// covers every port of its protocol: 0 to 65535 here.
		return p.Low <= q.port && q.port <= p.High
	}
	// NP: a named port is a port on a pod. It is the destination's, in both
	// directions, so each destination pod may give it another number. Without
	// such a port, or without a pod, the name stands for nothing.
	pod := q.destination()
	if pod == nil {
		return false
	}
	// NP: traffic has to match protocol and port; CNP: a destinationNamedPort
	// carries its own protocol. Either way the declared protocol is the one
	// that the connection must have.
	return slices.ContainsFunc(pod.Ports, func(c model.ContainerPort) bool {
		return c.Name == p.Name && c.Protocol == q.protocol && c.Number == q.port
	})
}

// Selects reports whether a pair of selectors matches the pod. It says nothing
// about whether policies govern the pod at all.
func (e *Evaluator) Selects(ns model.NamespaceMatch, pods model.Selector, pod *model.Pod) bool {
	return e.inNamespace(ns, pod) && matchesLabels(pods, pod.Labels)
}

// selects reports whether a policy governs the pod.
func (e *Evaluator) selects(s *model.Subject, pod *model.Pod) bool {
	return e.Selects(s.Namespaces, s.Pods, pod)
}

// inNamespace reports whether the pod's namespace is one that m selects. NP: a
// podSelector without namespaceSelector stays in the policy's own namespace,
// which the front end names; a selector looks at the namespace's labels.
func (e *Evaluator) inNamespace(m model.NamespaceMatch, pod *model.Pod) bool {
	if m.Name != "" {
		return m.Name == pod.Namespace
	}
	labels, ok := e.namespaces[pod.Namespace]
	if !ok {
		labels = namespaceLabels(pod.Namespace, nil)
	}
	return matchesLabels(m.Selector, labels)
}

// namespaceLabels returns the labels that a namespace has. docs: the control
// plane sets a label with the name on every namespace.
func namespaceLabels(name string, written model.Labels) model.Labels {
	labels := model.Labels{}
	maps.Copy(labels, written)
	labels[model.NamespaceNameLabel] = name
	return labels
}

// matchesLabels: LabelSelector: requirements are ANDed, and an empty selector
// matches everything. NotIn matches also when the key is absent.
func matchesLabels(s model.Selector, labels model.Labels) bool {
	for _, r := range s.Requirements {
		value, present := labels[r.Key]
		listed := slices.Contains(r.Values, value)
		ok := false
		switch r.Op {
		case model.In:
			ok = present && listed
		case model.NotIn:
			ok = !present || !listed
		case model.Exists:
			ok = present
		case model.DoesNotExist:
			ok = !present
		}
		if !ok {
			return false
		}
	}
	return true
}
