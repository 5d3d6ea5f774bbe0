package verify

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/model"
)

// ErrMembership means that a pod or node is not in the ruleset as it is in the
// sources.
var ErrMembership = errors.New("wrong membership")

// membership compares every pod and node with the ruleset's. Questions are
// asked with a few pods of each kind; that the others of the kind are like them
// is seen here.
func (k *Checker) membership() []Failure {
	var out []Failure
	wrong := func(format string, args ...any) {
		out = append(out, Failure{Err: fmt.Errorf("%w: %s", ErrMembership, fmt.Sprintf(format, args...))})
	}
	m := &k.ruleset.Membership
	endpoints := make(map[string]*artifact.Endpoint, len(m.Endpoints))
	for i := range m.Endpoints {
		e := &m.Endpoints[i]
		endpoints[e.Namespace+"/"+e.Name+"/"+e.Workload] = e
	}
	if len(m.Endpoints) != len(k.snapshot.Pods) {
		wrong("%d endpoints, the sources have %d pods and workloads", len(m.Endpoints), len(k.snapshot.Pods))
	}
	classes := map[string]artifact.ClassID{}
	for i := range k.snapshot.Pods {
		p := &k.snapshot.Pods[i]
		e := endpoints[p.Namespace+"/"+p.Name+"/"+p.Workload]
		if e == nil {
			wrong("pod %s/%s is missing", p.Namespace, p.Name)
			continue
		}
		node := ""
		if e.Node != artifact.NoNode {
			node = m.Nodes[e.Node].Name
		}
		if node != p.Node {
			wrong("pod %s/%s is on node %q, want %q", p.Namespace, p.Name, node, p.Node)
		}
		if want := kindOf(p); e.Kind != want {
			wrong("pod %s/%s is a %v, want a %v", p.Namespace, p.Name, e.Kind, want)
		}
		if !p.Finished && !p.StandIn && !slices.Equal(e.Addresses, p.Addresses) {
			wrong("pod %s/%s has addresses %v, want %v", p.Namespace, p.Name, e.Addresses, p.Addresses)
		}
		if p.Finished || p.HostNetwork {
			continue
		}
		key := fingerprint(p)
		if class, ok := classes[key]; ok && class != e.Class {
			wrong("pod %s/%s is in class %d, and others like it in class %d", p.Namespace, p.Name, e.Class, class)
		}
		classes[key] = e.Class
	}
	nodes := map[string]*artifact.Node{}
	for i := range m.Nodes {
		nodes[m.Nodes[i].Name] = &m.Nodes[i]
	}
	for i := range k.snapshot.Nodes {
		n := &k.snapshot.Nodes[i]
		got := nodes[n.Name]
		if got == nil || !slices.Equal(got.Addresses, n.Addresses) || len(got.PodCIDRs) != len(n.PodCIDRs) {
			wrong("node %s is not as in the sources", n.Name)
		}
	}
	return out
}

func kindOf(p *model.Pod) artifact.EndpointKind {
	switch {
	case p.Finished:
		return artifact.EndpointFinished
	case p.HostNetwork:
		return artifact.EndpointHostPod
	case p.StandIn:
		return artifact.EndpointStandIn
	default:
		return artifact.EndpointPod
	}
}
