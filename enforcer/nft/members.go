package nft

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/internal/artifact"
)

// owner is an address and the class of who has it.
type owner struct {
	addr  netip.Addr
	class artifact.ClassID
}

// owners returns everybody's addresses, ascending and unique. As in
// artifact.Resolver, a pod's claim to an address beats a node's.
func owners(m *artifact.Membership) []owner {
	var out []owner
	for i := range m.Endpoints {
		if e := &m.Endpoints[i]; e.Kind == artifact.EndpointPod {
			for _, a := range e.Addresses {
				out = append(out, owner{a, e.Class})
			}
		}
	}
	for i := range m.Nodes {
		for _, a := range m.Nodes[i].Addresses {
			out = append(out, owner{a, m.Nodes[i].Class})
		}
	}
	slices.SortStableFunc(out, func(a, b owner) int { return a.addr.Compare(b.addr) })
	return slices.CompactFunc(out, func(a, b owner) bool { return a.addr == b.addr })
}

// members maps a group to the keys of its addresses, by family, ascending.
type members map[artifact.GroupID]*[2][]byte

// newMembers collects the members of the groups that are wanted.
func newMembers(rs *artifact.Ruleset, wanted map[artifact.GroupID]bool) members {
	m := make(members, len(wanted))
	for g := range wanted {
		m[g] = new([2][]byte)
	}
	classes := make([][]*[2][]byte, len(rs.Membership.Classes))
	for i := range rs.Membership.Classes {
		for _, g := range rs.Membership.Classes[i].Groups {
			if lists := m[g]; lists != nil {
				classes[i] = append(classes[i], lists)
			}
		}
	}
	for _, o := range owners(&rs.Membership) {
		fam := familyOf(o.addr)
		for _, lists := range classes[o.class] {
			lists[fam] = appendAddr(lists[fam], o.addr)
		}
	}
	return m
}

func (m members) count(g artifact.GroupID, fam Family) int {
	return len(m[g][fam]) / fam.addrLen()
}
