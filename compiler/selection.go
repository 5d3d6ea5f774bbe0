package compiler

import (
	"github.com/sluice-net/sluice/compiler/ir"
	"github.com/sluice-net/sluice/internal/model"
)

// Selection answers what selectors select in a snapshot, as the compiler sees
// it: pods that policies can govern, so neither finished ones nor those on
// their node's network.
type Selection struct {
	r    *resolved
	pods map[ir.ClassID][]*model.Pod
}

// NewSelection indexes s, which must not change afterwards. It looks at the
// labels that s's own policies name, so it answers for their selectors only.
func NewSelection(s *model.Snapshot) *Selection {
	r, _ := resolve(s) // what is wrong with the snapshot, Compile says
	x := &Selection{r: r, pods: map[ir.ClassID][]*model.Pod{}}
	for i, c := range r.podClass {
		if c != ir.NoClass {
			x.pods[c] = append(x.pods[c], r.pods[i])
		}
	}
	return x
}

// Any reports whether some pod matches.
func (x *Selection) Any(ns model.NamespaceMatch, pods model.Selector) bool {
	return len(x.r.index.classesOf(ns, pods)) > 0
}

// Overlap reports whether some pod matches both.
func (x *Selection) Overlap(ns1 model.NamespaceMatch, pods1 model.Selector, ns2 model.NamespaceMatch, pods2 model.Selector) bool {
	a, b := x.r.index.classesOf(ns1, pods1), x.r.index.classesOf(ns2, pods2)
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			return true
		case a[0] < b[0]:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return false
}

// Pods returns the pods that match.
func (x *Selection) Pods(ns model.NamespaceMatch, pods model.Selector) []*model.Pod {
	var out []*model.Pod
	for _, c := range x.r.index.classesOf(ns, pods) {
		out = append(out, x.pods[c]...)
	}
	return out
}

// HasPort reports whether some pod that matches declares a port that p names,
// and whether some pod matches at all.
func (x *Selection) HasPort(ns model.NamespaceMatch, pods model.Selector, p model.Port) (has, some bool) {
	classes := x.r.index.classesOf(ns, pods)
	for _, c := range classes {
		if len(resolvePort(p, x.r.classes[c].ports)) > 0 {
			return true, true
		}
	}
	return false, len(classes) > 0
}
