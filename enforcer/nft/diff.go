package nft

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/internal/reconcile"
)

// Change is what turns one table into another, in one transaction. The marker
// is always part of it.
type Change struct {
	Marker    Marker
	AddChains []*Chain // before the sets, whose entries may name them
	AddSets   []*Set   // with their elements
	Elements  []ElementChange
	DelChains []*Chain
	DelSets   []*Set
}

// ElementChange is the difference of a set that stays.
type ElementChange struct {
	Set    *Set // as it will be
	Delete *Set // of the same shape, holding what is deleted, first
	Add    *Set // of the same shape, holding what is added
}

// Len returns the number of elements that the change touches: a map's element
// that gets another verdict counts twice.
func (c *Change) Len() int {
	n := 0
	for _, s := range c.AddSets {
		n += s.Len()
	}
	for _, s := range c.DelSets {
		n += s.Len()
	}
	for _, e := range c.Elements {
		n += e.Delete.Len() + e.Add.Len()
	}
	return n
}

// empty reports whether nothing changes but the marker.
func (c *Change) empty() bool {
	return len(c.AddChains)+len(c.AddSets)+len(c.Elements)+len(c.DelChains)+len(c.DelSets) == 0
}

// touched returns the sets, as they will be, that get other elements.
func (c *Change) touched() []*Set {
	sets := slices.Clone(c.AddSets)
	for _, e := range c.Elements {
		sets = append(sets, e.Set)
	}
	return sets
}

// Diff returns the change that turns have into want. It returns false if the
// two differ where only replacing the whole table is safe: in the fixed chains,
// or in ranges that overlap.
func Diff(want, have *Table) (*Change, bool) {
	c := &Change{Marker: want.Marker}
	for d := range reconcile.Diff(want.Chains, have.Chains, (*Chain).equal) {
		switch d.Kind {
		case reconcile.Create:
			c.AddChains = append(c.AddChains, d.Want)
		case reconcile.Delete:
			c.DelChains = append(c.DelChains, d.Have)
		default:
			return nil, false
		}
	}
	for d := range reconcile.Diff(want.Sets, have.Sets, (*Set).equal) {
		switch {
		case d.Key == markerSet:
		case d.Kind == reconcile.Create:
			c.AddSets = append(c.AddSets, d.Want)
		case d.Kind == reconcile.Delete:
			c.DelSets = append(c.DelSets, d.Have)
		case !d.Want.sameShape(d.Have):
			return nil, false
		default:
			e := diffElements(d.Want, d.Have)
			if e.Set.Interval && overlap(e) {
				return nil, false
			}
			c.Elements = append(c.Elements, e)
		}
	}
	byName := func(a, b *Set) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(c.AddChains, (*Chain).compare)
	slices.SortFunc(c.DelChains, (*Chain).compare)
	slices.SortFunc(c.AddSets, byName)
	slices.SortFunc(c.DelSets, byName)
	slices.SortFunc(c.Elements, func(a, b ElementChange) int { return byName(a.Set, b.Set) })
	return c, true
}

// equal reports whether the two are the same to the kernel. A chain that is
// called by its content's hash can only be equal.
func (c *Chain) equal(o *Chain) bool {
	if c == o {
		return true
	}
	return c.Hook == o.Hook && slices.EqualFunc(c.Rules, o.Rules, func(a, b Rule) bool {
		return a.Counter == b.Counter && a.Verdict == b.Verdict && a.Comment == b.Comment && slices.Equal(a.Match, b.Match)
	})
}

func diffElements(want, have *Set) ElementChange {
	del, add := *want, *want
	del.Elements, add.Elements = diffKeys(want.Elements, have.Elements, want.Width())
	if want.Map {
		del.Entries, add.Entries = make(map[netip.Addr]Entry), make(map[netip.Addr]Entry)
		for d := range reconcile.Diff(want.Entries, have.Entries, func(a, b Entry) bool { return a == b }) {
			if d.Kind != reconcile.Create {
				del.Entries[d.Key] = d.Have
			}
			if d.Kind != reconcile.Delete {
				add.Entries[d.Key] = d.Want
			}
		}
	}
	return ElementChange{Set: want, Delete: &del, Add: &add}
}

// diffKeys returns the elements that are only in have and those only in want.
func diffKeys(want, have []byte, width int) (del, add []byte) {
	// Most of two big sets is equal: skip that in long strides.
	const stride = 256
	for len(want) > 0 || len(have) > 0 {
		if n := stride * width; len(want) >= n && len(have) >= n && bytes.Equal(want[:n], have[:n]) {
			want, have = want[n:], have[n:]
			continue
		}
		var c int
		switch {
		case len(want) == 0:
			c = 1
		case len(have) == 0:
			c = -1
		default:
			c = bytes.Compare(want[:width], have[:width])
		}
		if c <= 0 {
			if c < 0 {
				add = append(add, want[:width]...)
			}
			want = want[width:]
		}
		if c >= 0 {
			if c > 0 {
				del = append(del, have[:width]...)
			}
			have = have[width:]
		}
	}
	return del, add
}

// overlap reports whether a deleted range and an added one have addresses in
// common. A range deleted and one added over it in the same transaction is
// more than kernels promise.
func overlap(e ElementChange) bool {
	n := e.Set.keyLen()
	for a := e.Add.Elements; len(a) > 0; a = a[2*n:] {
		for d := e.Delete.Elements; len(d) > 0; d = d[2*n:] {
			if bytes.Compare(a[:n], d[n:2*n]) <= 0 && bytes.Compare(d[:n], a[n:2*n]) <= 0 {
				return true
			}
		}
	}
	return false
}
