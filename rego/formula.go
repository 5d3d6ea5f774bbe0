package rego

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// endID is an end of a connection. noEnd is the connection itself.
type endID uint8

const (
	noEnd endID = iota
	srcEnd
	dstEnd
)

func (e endID) String() string { return [...]string{"", "src", "dst"}[e] }

// field is what an unknown is of its end.
type field uint8

const (
	fieldKind field = iota + 1
	fieldIP
	fieldName
	fieldLabel
	fieldNamespace
	fieldNamespaceLabel
	fieldProtocol
	fieldPort
)

// unknown is one unknown of a rule, a scalar of the input.
type unknown struct {
	end   endID
	field field
	key   string // of a label
}

func (p unknown) String() string {
	label := func(key string) string {
		if plainKey(key) {
			return "labels." + key
		}
		return fmt.Sprintf("labels[%q]", key)
	}
	switch p.field {
	case fieldKind:
		return "input." + p.end.String() + ".kind"
	case fieldIP:
		return "input." + p.end.String() + ".ip"
	case fieldName:
		return "input." + p.end.String() + ".name"
	case fieldLabel:
		return "input." + p.end.String() + "." + label(p.key)
	case fieldNamespace:
		return "input." + p.end.String() + ".namespace.name"
	case fieldNamespaceLabel:
		return "input." + p.end.String() + ".namespace." + label(p.key)
	case fieldProtocol:
		return "input.protocol"
	default:
		return "input.port"
	}
}

func plainKey(k string) bool {
	return k != "" && !strings.ContainsFunc(k, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) && (k[0] < '0' || k[0] > '9')
}

// optional reports whether it may be undefined. The port is defined
// exactly for the protocols that have ports, which trafficSet knows.
func (p unknown) optional() bool {
	return p.field == fieldLabel || p.field == fieldNamespaceLabel || p.field == fieldIP || p.field == fieldName
}

// conj is a conjunction: at most one condition on each unknown.
type conj struct {
	values  map[unknown]valueSet // of labels, kinds, names and namespaces
	addrs   map[endID]addrSet
	traffic *trafficSet // nil: all
}

func onUnknown(p unknown, s valueSet) conj {
	if !p.optional() {
		s.absent = false
	}
	return conj{values: map[unknown]valueSet{p: s}}
}

// kinds are the values of input.src.kind and input.dst.kind.
var kinds = oneOf("pod", "node", "ip")

// impossible reports whether nothing can satisfy c.
func (c conj) impossible() bool {
	for p, s := range c.values {
		if p.field == fieldKind {
			s = s.intersect(kinds)
		}
		if s.empty() {
			return true
		}
	}
	for _, s := range c.addrs {
		if !s.absent && len(s.ranges) == 0 {
			return true
		}
	}
	return c.traffic != nil && c.traffic.empty()
}

func (c conj) and(o conj) conj {
	out := conj{values: map[unknown]valueSet{}, addrs: map[endID]addrSet{}, traffic: c.traffic}
	maps.Copy(out.values, c.values)
	for p, s := range o.values {
		if have, ok := out.values[p]; ok {
			s = s.intersect(have)
		}
		out.values[p] = s
	}
	maps.Copy(out.addrs, c.addrs)
	for e, s := range o.addrs {
		if have, ok := out.addrs[e]; ok {
			s = s.intersect(have)
		}
		out.addrs[e] = s
	}
	switch {
	case out.traffic == nil:
		out.traffic = o.traffic
	case o.traffic != nil:
		t := out.traffic.intersect(*o.traffic)
		out.traffic = &t
	}
	return out
}

// not returns the alternatives of which one holds where c does not.
func (c conj) not() []conj {
	var out []conj
	for _, p := range slices.SortedFunc(maps.Keys(c.values), compareUnknowns) {
		out = append(out, onUnknown(p, c.values[p].complement()))
	}
	for _, e := range []endID{srcEnd, dstEnd} {
		if s, ok := c.addrs[e]; ok {
			out = append(out, conj{addrs: map[endID]addrSet{e: s.complement()}})
		}
	}
	if c.traffic != nil {
		t := c.traffic.complement()
		out = append(out, conj{traffic: &t})
	}
	return slices.DeleteFunc(out, conj.impossible)
}

func compareUnknowns(a, b unknown) int {
	return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.field, b.field), strings.Compare(a.key, b.key))
}

// formula is what a residual means. It is a tree of the types below.
type formula interface{ formula() }

type (
	all  []formula // every one holds
	some []formula // at least one holds
	not  struct{ f formula }
	atom struct{ conj }
	// join compares two unknowns by the values that the inventory has. It does
	// not hold where one of them is undefined.
	join struct {
		a, b   unknown
		differ bool
		// valuesA and valuesB are what the inventory has of each, sorted.
		valuesA, valuesB []string
	}
)

func (all) formula()  {}
func (some) formula() {}
func (not) formula()  {}
func (atom) formula() {}
func (join) formula() {}

// errTooMany is returned when a formula has more alternatives than limit.
type tooMany struct{ limit int }

func (e tooMany) Error() string {
	return fmt.Sprintf("the rule has more than %d alternatives", e.limit)
}

// alternatives returns conjunctions of which at least one holds exactly where
// f holds, or does not hold if negated.
func alternatives(f formula, negated bool, limit int) ([]conj, error) {
	switch f := f.(type) {
	case atom:
		if negated {
			return f.not(), nil
		}
		if f.impossible() {
			return nil, nil
		}
		return []conj{f.conj}, nil
	case not:
		return alternatives(f.f, !negated, limit)
	case join:
		return f.alternatives(negated, limit)
	case all:
		return product(f, negated, !negated, limit)
	case some:
		return product(f, negated, negated, limit)
	default:
		panic(fmt.Sprintf("rego: formula %T", f))
	}
}

// product combines the parts' alternatives: each with each, or side by side.
func product(parts []formula, negated, each bool, limit int) ([]conj, error) {
	if !each {
		var out []conj
		for _, p := range parts {
			alts, err := alternatives(p, negated, limit)
			if err != nil {
				return nil, err
			}
			if out = append(out, alts...); len(out) > limit {
				return nil, tooMany{limit}
			}
		}
		return out, nil
	}
	out := []conj{{}}
	for _, p := range parts {
		alts, err := alternatives(p, negated, limit)
		if err != nil {
			return nil, err
		}
		var next []conj
		for _, a := range out {
			for _, b := range alts {
				c := a.and(b)
				if c.impossible() {
					continue
				}
				if next = append(next, c); len(next) > limit {
					return nil, tooMany{limit}
				}
			}
		}
		out = next
	}
	return out, nil
}

func (j join) alternatives(negated bool, limit int) ([]conj, error) {
	var out []conj
	if negated {
		for _, p := range []unknown{j.a, j.b} {
			if p.optional() {
				out = append(out, onUnknown(p, valueSet{absent: true}))
			}
		}
	}
	if len(j.valuesA)+len(out) > limit {
		return nil, tooMany{limit}
	}
	if j.differ == negated { // equal
		for _, v := range j.valuesA {
			if _, ok := slices.BinarySearch(j.valuesB, v); ok {
				out = append(out, onUnknown(j.a, oneOf(v)).and(onUnknown(j.b, oneOf(v))))
			}
		}
		return out, nil
	}
	for _, v := range j.valuesA {
		c := onUnknown(j.a, oneOf(v)).and(onUnknown(j.b, valueSet{inverse: true, values: map[string]bool{v: true}}))
		if !c.impossible() {
			out = append(out, c)
		}
	}
	return out, nil
}
