// Package shrink reduces a snapshot on which something fails to a small one on
// which it still fails, and writes it down for people.
package shrink

import (
	"maps"
	"slices"

	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
)

// Fails reports whether the failure shows on a snapshot and a connection
// between ends of it.
type Fails func(*model.Snapshot, oracle.Connection) bool

// Shrink removes from s whatever the failure does not need: policies, pods,
// nodes, namespaces, then rules, peers, ports, requirements and labels. It
// calls fails at most budget times, and leaves s as it is. The connection that
// it returns is c between ends of the smaller snapshot.
//
// It panics if the failure does not show on s itself.
func Shrink(s *model.Snapshot, c oracle.Connection, fails Fails, budget int) (*model.Snapshot, oracle.Connection) {
	r := &reducer{s: clone(s), query: c.String(), fails: fails, left: budget + 1}
	if !r.stillFails() {
		panic("shrink: the failure does not show on the snapshot itself")
	}
	for before := -1; before != r.size && r.left > 0; {
		before = r.size
		r.objects()
		r.insides()
	}
	c, err := oracle.ParseConnection(r.s, r.query)
	if err != nil {
		panic(err)
	}
	return r.s, c
}

// reducer holds the smallest failing snapshot so far. Every attempt edits it
// in place and takes the edit back if the failure is gone.
type reducer struct {
	s     *model.Snapshot
	query string // ends by name, since objects move when others are removed
	fails Fails
	left  int
	size  int // count of removals, to see whether a round achieved anything
}

func (r *reducer) stillFails() bool {
	if r.left <= 0 {
		return false
	}
	c, err := oracle.ParseConnection(r.s, r.query)
	if err != nil || c.String() != r.query {
		return false
	}
	r.left--
	return r.fails(r.s, c)
}

// attempt keeps *p = v if the failure remains.
func attempt[T any](r *reducer, p *T, v T) bool {
	old := *p
	*p = v
	if r.stillFails() {
		r.size++
		return true
	}
	*p = old
	return false
}

// list removes parts of *p, large ones first.
func list[T any](r *reducer, p *[]T) {
	for chunk := len(*p); chunk > 0; chunk /= 2 {
		for at := 0; at+chunk <= len(*p); {
			if !attempt(r, p, slices.Concat((*p)[:at], (*p)[at+chunk:])) {
				at += chunk
			}
		}
	}
}

func (r *reducer) objects() {
	list(r, &r.s.Policies)
	list(r, &r.s.Pods)
	list(r, &r.s.Services)
	list(r, &r.s.Nodes)
	list(r, &r.s.Namespaces)
	list(r, &r.s.Inputs)
}

func (r *reducer) insides() {
	for i := range r.s.Policies {
		p := &r.s.Policies[i]
		r.selector(&p.Subject.Pods)
		r.selector(&p.Subject.Namespaces.Selector)
		for d := range p.Sections {
			r.section(&p.Sections[d])
		}
		if p.Priority != 0 {
			attempt(r, &p.Priority, 0)
		}
	}
	for i := range r.s.Pods {
		p := &r.s.Pods[i]
		r.labels(p.Labels)
		list(r, &p.Ports)
		list(r, &p.Addresses)
		if p.Finished {
			attempt(r, &p.Finished, false)
		}
		if p.HostNetwork {
			attempt(r, &p.HostNetwork, false)
		}
		if p.Node != "" {
			attempt(r, &p.Node, "")
		}
	}
	for i := range r.s.Namespaces {
		r.labels(r.s.Namespaces[i].Labels)
	}
	for i := range r.s.Nodes {
		n := &r.s.Nodes[i]
		r.labels(n.Labels)
		list(r, &n.Addresses)
		list(r, &n.PodCIDRs)
	}
}

func (r *reducer) section(s *model.Section) {
	if s.Applies {
		attempt(r, &s.Applies, false)
	}
	list(r, &s.Rules)
	for i := range s.Rules {
		rule := &s.Rules[i]
		// The whole list at once and "any" instead, else item by item. An
		// empty list is no simplification: it means something else.
		if !rule.AnyPeer {
			peers := rule.Peers
			rule.AnyPeer = true
			if !attempt(r, &rule.Peers, nil) {
				rule.AnyPeer, rule.Peers = false, peers
				r.items(func() { list(r, &rule.Peers) }, func() bool { return len(rule.Peers) > 0 })
			}
		}
		if !rule.AnyPort {
			ports := rule.Ports
			rule.AnyPort = true
			if !attempt(r, &rule.Ports, nil) {
				rule.AnyPort, rule.Ports = false, ports
				r.items(func() { list(r, &rule.Ports) }, func() bool { return len(rule.Ports) > 0 })
			}
		}
		for j := range rule.Peers {
			peer := &rule.Peers[j]
			list(r, &peer.Except)
			r.selector(&peer.Pods)
			r.selector(&peer.Namespaces.Selector)
			r.selector(&peer.Nodes)
		}
	}
}

// items runs a reduction under a condition that every result has to meet.
func (r *reducer) items(reduce func(), allowed func() bool) {
	if !allowed() {
		return // the list was empty to begin with
	}
	outer := r.fails
	r.fails = func(s *model.Snapshot, c oracle.Connection) bool { return allowed() && outer(s, c) }
	reduce()
	r.fails = outer
}

func (r *reducer) selector(s *model.Selector) {
	list(r, &s.Requirements)
	for i := range s.Requirements {
		if q := &s.Requirements[i]; len(q.Values) > 1 {
			r.items(func() { list(r, &q.Values) }, func() bool { return len(q.Values) > 0 })
		}
	}
}

func (r *reducer) labels(l model.Labels) {
	for _, k := range slices.Sorted(maps.Keys(l)) {
		if k == model.NamespaceNameLabel {
			continue // the API server would put it back
		}
		v := l[k]
		delete(l, k)
		if r.stillFails() {
			r.size++
		} else {
			l[k] = v
		}
	}
}
