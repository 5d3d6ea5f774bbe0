package artifact

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Resolver finds the ends of connections by name and address. Build it once
// per ruleset; it is safe for concurrent use.
type Resolver struct {
	rs         *Ruleset
	byAddr     map[netip.Addr]End
	byName     map[string][]int // "namespace/name"
	byWorkload map[string][]int // "namespace/Kind/name"
	nodes      map[string]int
}

// NewResolver indexes rs, which must not change afterwards.
func NewResolver(rs *Ruleset) *Resolver {
	m := &rs.Membership
	r := &Resolver{
		rs:         rs,
		byAddr:     make(map[netip.Addr]End, len(m.Endpoints)),
		byName:     make(map[string][]int, len(m.Endpoints)),
		byWorkload: make(map[string][]int),
		nodes:      make(map[string]int, len(m.Nodes)),
	}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		r.nodes[n.Name] = i
		for _, a := range n.Addresses {
			r.byAddr[a] = End{Addr: a, Endpoint: -1, Node: i}
		}
	}
	for i := range m.Endpoints {
		e := &m.Endpoints[i]
		r.byName[e.String()] = append(r.byName[e.String()], i)
		w := e.Namespace + "/" + e.Workload
		r.byWorkload[w] = append(r.byWorkload[w], i)
		if e.Kind != EndpointPod {
			continue
		}
		for _, a := range e.Addresses {
			r.byAddr[a] = End{Addr: a, Endpoint: i, Node: -1}
		}
	}
	return r
}

// Addr returns the end that has address a; an address that nobody has is a
// valid end outside the cluster.
func (r *Resolver) Addr(a netip.Addr) End {
	if e, ok := r.byAddr[a]; ok {
		return e
	}
	return End{Addr: a, Endpoint: -1, Node: -1}
}

// Pod returns the ends of the pod called "namespace/name", one for each of its
// addresses, or one without an address if it has none. A stand-in answers to
// its workload's name as well.
func (r *Resolver) Pod(name string) ([]End, error) {
	if strings.Count(name, "/") != 1 {
		return nil, fmt.Errorf("pod %q: want namespace/name", name)
	}
	found := r.byName[name]
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("pod %q is not in the input", name)
	case 1:
		return r.ends(found[0])
	}
	// Workloads of different kinds may share a name; a real pod wins.
	for _, i := range found {
		if r.rs.Membership.Endpoints[i].Kind != EndpointStandIn {
			return r.ends(i)
		}
	}
	return nil, fmt.Errorf("pod %q could be any of %d workloads of that name: ask for a workload, namespace/kind/name", name, len(found))
}

// Workload returns, for each pod of the workload called "namespace/Kind/name",
// its ends. The kind's letter case does not matter.
func (r *Resolver) Workload(name string) ([][]End, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return nil, fmt.Errorf("workload %q: want namespace/kind/name", name)
	}
	found := r.byWorkload[name]
	if found == nil {
		for w, is := range r.byWorkload {
			if strings.EqualFold(w, name) && strings.HasPrefix(w, parts[0]+"/") && strings.HasSuffix(w, "/"+parts[2]) {
				found = is
				break
			}
		}
	}
	if found == nil {
		return nil, fmt.Errorf("workload %q is not in the input", name)
	}
	var out [][]End
	var errs []error
	for _, i := range found {
		ends, err := r.ends(i)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, ends)
	}
	if len(out) == 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// Node returns the ends of the node: one for each of its addresses, or one
// without an address.
func (r *Resolver) Node(name string) ([]End, error) {
	i, ok := r.nodes[name]
	if !ok {
		return nil, fmt.Errorf("node %q is not in the input", name)
	}
	return withAddrs(End{Endpoint: -1, Node: i}, r.rs.Membership.Nodes[i].Addresses), nil
}

// ends returns the ends of endpoint i.
func (r *Resolver) ends(i int) ([]End, error) {
	e := &r.rs.Membership.Endpoints[i]
	switch e.Kind {
	case EndpointFinished:
		return nil, fmt.Errorf("pod %q has finished: it has no address and no traffic", e)
	case EndpointHostPod:
		if e.Node != NoNode {
			n := &r.rs.Membership.Nodes[e.Node]
			addrs := n.Addresses
			if len(addrs) == 0 {
				addrs = e.Addresses
			}
			return withAddrs(End{Endpoint: -1, Node: int(e.Node)}, addrs), nil
		}
		return withAddrs(End{Endpoint: -1, Node: -1}, e.Addresses), nil
	default:
		return withAddrs(End{Endpoint: i, Node: -1}, e.Addresses), nil
	}
}

func withAddrs(e End, addrs []netip.Addr) []End {
	if len(addrs) == 0 {
		return []End{e}
	}
	out := make([]End, len(addrs))
	for i, a := range addrs {
		out[i] = e
		out[i].Addr = a
	}
	return out
}

// Pair picks the ends of a connection from the ends of two things: the first
// destination address, in its order, for which the source has one of the same
// family. An end without an address pairs with everything.
func Pair(src, dst []End) (End, End, error) {
	for _, d := range dst {
		for _, s := range src {
			if !s.Addr.IsValid() || !d.Addr.IsValid() || s.Addr.Is4() == d.Addr.Is4() {
				return s, d, nil
			}
		}
	}
	return End{}, End{}, errors.New("source and destination have no address of a common family")
}
