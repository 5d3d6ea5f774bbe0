package nft

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/internal/artifact"
)

// groups handles clauses on groups: those with the same ports become one
// lookup in the union of their groups; if that still leaves many, they become
// one lookup in the set of address, protocol and port together.
func (f *folder) groups() error {
	var withPorts []bucket
	for _, b := range f.buckets[artifact.PeerGroup] {
		if b.ports != nil {
			withPorts = append(withPorts, b)
			continue
		}
		if err := f.emitGroups(b); err != nil {
			return err
		}
	}
	if len(withPorts) > f.limits.lookups {
		var err error
		if withPorts, err = f.foldGroups(withPorts); err != nil {
			return err
		}
	}
	for _, b := range withPorts {
		if err := f.emitGroups(b); err != nil {
			return err
		}
	}
	return nil
}

// emitGroups emits a bucket as lookups in sets of addresses. Big groups keep
// their set, which profiles share; the others make a union.
func (f *folder) emitGroups(b bucket) error {
	parts := [][]uint32{nil}
	for _, g := range b.peers {
		if len(b.peers) > 1 && f.members.count(artifact.GroupID(g), f.fam) > f.limits.union && len(parts) <= f.limits.lookups {
			parts = append(parts, []uint32{g})
		} else {
			parts[0] = append(parts[0], g)
		}
	}
	for _, groups := range parts {
		if len(groups) == 0 {
			continue
		}
		set, err := f.groupSet(groups)
		if err != nil {
			return err
		}
		if err := f.emitPorts(b, f.on(FieldAddr, set)); err != nil {
			return err
		}
	}
	return nil
}

// groupSet adds the set of the groups' members. It is called by the groups'
// names, so that it stays the same set when members come and go.
func (f *folder) groupSet(groups []uint32) (string, error) {
	names := f.groupNames(groups)
	name, err := f.hashed("g"+f.fam.digit()+"_", names)
	if err != nil || f.table.Sets[name] != nil {
		return name, err
	}
	lists := make([][]byte, len(groups))
	n := 0
	for i, g := range groups {
		lists[i] = f.members[artifact.GroupID(g)][f.fam]
		n += f.members.count(artifact.GroupID(g), f.fam)
	}
	if len(groups) > 1 {
		if err := f.copying(n); err != nil {
			return "", err
		}
	}
	set := &Set{
		Name: name, Comment: f.groupComment(groups), Key: KeyAddr, Family: f.fam,
		Elements: mergeKeys(lists, f.fam.addrLen()),
	}
	f.table.Sets[name] = set
	return name, nil
}

func (f *folder) groupComment(groups []uint32) string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = f.rs.Program.Groups[g].Name
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 1 {
		return comment(names[0])
	}
	return comment(fmt.Sprintf("%d groups: %s", len(names), strings.Join(names, "; ")))
}

// foldGroups folds the buckets that are small enough into one set and returns
// the others.
func (f *folder) foldGroups(buckets []bucket) ([]bucket, error) {
	size := func(b bucket) int {
		n := 0
		for _, g := range b.peers {
			n += f.members.count(artifact.GroupID(g), f.fam)
		}
		return n * countPorts(b.ports)
	}
	slices.SortStableFunc(buckets, func(a, b bucket) int { return cmp.Compare(size(a), size(b)) })

	var folded, rest []bucket
	total := 0
	for _, b := range buckets {
		if n := size(b); countPorts(b.ports) <= f.limits.foldPorts && total+n <= f.limits.foldElements {
			folded = append(folded, b)
			total += n
		} else {
			rest = append(rest, b)
		}
	}
	if len(folded) < 2 {
		return buckets, nil
	}
	slices.SortStableFunc(folded, func(a, b bucket) int { return cmp.Compare(portsKey(a.ports), portsKey(b.ports)) })

	var def strings.Builder
	var clauses []artifact.ClauseID
	var peers []uint32
	for _, b := range folded {
		fmt.Fprintf(&def, "%q %s\n", portsKey(b.ports), f.groupNames(b.peers))
		clauses = append(clauses, b.clauses...)
		peers = append(peers, b.peers...)
	}
	name, err := f.hashed("f"+f.fam.digit()+"_", def.String())
	if err != nil {
		return nil, err
	}
	if f.table.Sets[name] == nil {
		if err := f.copying(total); err != nil {
			return nil, err
		}
		f.table.Sets[name] = &Set{
			Name: name, Key: KeyAddrPorts, Family: f.fam,
			Comment:  f.groupComment(peers),
			Elements: f.foldElements(folded, total),
		}
	}
	f.emit(clauses, f.on(FieldAddrPorts, name))
	return rest, nil
}

// foldElements returns the product of members and ports of each bucket.
func (f *folder) foldElements(buckets []bucket, total int) []byte {
	width := f.fam.addrLen()
	b := make([]byte, 0, total*(width+portsLen))
	for _, bk := range buckets {
		for _, g := range bk.peers {
			for list := f.members[artifact.GroupID(g)][f.fam]; len(list) > 0; list = list[width:] {
				b = appendPorts(b, list[:width], bk.ports)
			}
		}
	}
	return sortKeys(b, width+portsLen)
}
