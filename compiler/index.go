package compiler

import (
	"slices"

	"github.com/sluice-net/sluice/compiler/ir"
	"github.com/sluice-net/sluice/internal/model"
)

// index evaluates selectors on classes, each distinct selector once.
type index struct {
	classes    []class
	namespaces []namespace
	byName     map[string]int
	byLabel    map[label][]ir.ClassID
	allNS      []int
	nsMemo     map[string][]int
	memo       map[groupKey][]ir.ClassID
	nodes      []*model.Node
	nodeMemo   map[string][]int
}

type namespace struct {
	name    string
	labels  model.Labels
	classes []ir.ClassID
}

// groupKey identifies a set of pods by canonical selector texts. Equal keys
// are equal sets in every cluster.
type groupKey struct{ namespaces, pods string }

// String says what is in the group, in the words of the source.
func (k groupKey) String() string {
	ns, pods := k.namespaces, k.pods
	if ns == "{}" {
		ns = "*"
	}
	if pods == "" {
		pods = "*"
	}
	return ns + "/" + pods
}

func keyOf(ns model.NamespaceMatch, pods model.Selector) groupKey {
	return groupKey{canonicalNamespaces(ns).String(), pods.String()}
}

// canonicalNamespaces turns a selector on the name label alone into the name.
func canonicalNamespaces(m model.NamespaceMatch) model.NamespaceMatch {
	if m.Name == "" && len(m.Selector.Requirements) == 1 {
		q := m.Selector.Requirements[0]
		if q.Key == model.NamespaceNameLabel && q.Op == model.In && len(q.Values) == 1 && q.Values[0] != "" {
			return model.NamespaceMatch{Name: q.Values[0]}
		}
	}
	return m
}

func newIndex(r *resolved) *index {
	ix := &index{
		classes:  r.classes,
		byName:   map[string]int{},
		byLabel:  map[label][]ir.ClassID{},
		nsMemo:   map[string][]int{},
		memo:     map[groupKey][]ir.ClassID{},
		nodes:    r.nodes,
		nodeMemo: map[string][]int{},
	}
	for i := range r.snap.Namespaces {
		n := &r.snap.Namespaces[i]
		ix.addNamespace(n.Name, n.Labels)
	}
	for i := range r.classes {
		c := &r.classes[i]
		n, ok := ix.byName[c.namespace]
		if !ok {
			n = ix.addNamespace(c.namespace, nil)
		}
		ix.namespaces[n].classes = append(ix.namespaces[n].classes, ir.ClassID(i))
		for _, l := range c.labels {
			ix.byLabel[l] = append(ix.byLabel[l], ir.ClassID(i))
		}
	}
	return ix
}

// addNamespace makes sure that every namespace has the label that the API
// server gives it.
func (ix *index) addNamespace(name string, labels model.Labels) int {
	if labels[model.NamespaceNameLabel] != name {
		with := model.Labels{}
		for k, v := range labels {
			with[k] = v
		}
		with[model.NamespaceNameLabel] = name
		labels = with
	}
	n, ok := ix.byName[name]
	if !ok {
		n = len(ix.namespaces)
		ix.byName[name] = n
		ix.allNS = append(ix.allNS, n)
		ix.namespaces = append(ix.namespaces, namespace{name: name})
	}
	ix.namespaces[n].labels = labels
	return n
}

// classesOf returns the classes that match, ascending; shared, not to be
// changed.
func (ix *index) classesOf(ns model.NamespaceMatch, pods model.Selector) []ir.ClassID {
	key := keyOf(ns, pods)
	if found, ok := ix.memo[key]; ok {
		return found
	}
	found := ix.evaluate(ix.namespacesOf(ns), pods)
	ix.memo[key] = found
	return found
}

// namespacesOf returns the indices of the namespaces that match.
func (ix *index) namespacesOf(m model.NamespaceMatch) []int {
	m = canonicalNamespaces(m)
	if m.Name != "" {
		if n, ok := ix.byName[m.Name]; ok {
			return []int{n}
		}
		return nil
	}
	if m.Selector.Everything() {
		return ix.allNS
	}
	text := m.Selector.String()
	found, ok := ix.nsMemo[text]
	if !ok {
		for i := range ix.namespaces {
			if matches(m.Selector, ix.namespaces[i].labels) {
				found = append(found, i)
			}
		}
		ix.nsMemo[text] = found
	}
	return found
}

// evaluate finds the classes in the given namespaces that sel matches. It
// scans the shortest list that must contain them all: the classes of the
// namespaces, or those with one of the values that an In requirement lists.
func (ix *index) evaluate(in []int, sel model.Selector) []ir.ClassID {
	best := 0
	for _, n := range in {
		best += len(ix.namespaces[n].classes)
	}
	var by *model.Requirement
	for i := range sel.Requirements {
		q := &sel.Requirements[i]
		if q.Op != model.In {
			continue
		}
		size := 0
		for _, v := range q.Values {
			size += len(ix.byLabel[label{q.Key, v}])
		}
		if size < best {
			best, by = size, q
		}
	}
	var out []ir.ClassID
	if by == nil {
		for _, n := range in {
			for _, c := range ix.namespaces[n].classes {
				if ix.classMatches(sel, c) {
					out = append(out, c)
				}
			}
		}
		slices.Sort(out)
		return out
	}
	member := make(map[string]bool, len(in))
	everywhere := len(in) == len(ix.namespaces)
	if !everywhere {
		for _, n := range in {
			member[ix.namespaces[n].name] = true
		}
	}
	for _, v := range by.Values {
		for _, c := range ix.byLabel[label{by.Key, v}] {
			if (everywhere || member[ix.classes[c].namespace]) && ix.classMatches(sel, c) {
				out = append(out, c)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (ix *index) classMatches(sel model.Selector, id ir.ClassID) bool {
	c := &ix.classes[id]
	for i := range sel.Requirements {
		q := &sel.Requirements[i]
		v, ok := c.value(q.Key)
		if !holds(q, v, ok) {
			return false
		}
	}
	return true
}

func matches(sel model.Selector, labels model.Labels) bool {
	for i := range sel.Requirements {
		q := &sel.Requirements[i]
		v, ok := labels[q.Key]
		if !holds(q, v, ok) {
			return false
		}
	}
	return true
}

// holds evaluates one requirement on a label's value, or its absence.
func holds(q *model.Requirement, value string, present bool) bool {
	switch q.Op {
	case model.In:
		return present && slices.Contains(q.Values, value)
	case model.NotIn:
		return !present || !slices.Contains(q.Values, value)
	case model.Exists:
		return present
	case model.DoesNotExist:
		return !present
	default:
		return false
	}
}

// nodesOf returns the indices of the nodes that match, ascending.
func (ix *index) nodesOf(sel model.Selector) []int {
	text := sel.String()
	found, ok := ix.nodeMemo[text]
	if !ok {
		for i, n := range ix.nodes {
			if matches(sel, n.Labels) {
				found = append(found, i)
			}
		}
		ix.nodeMemo[text] = found
	}
	return found
}
