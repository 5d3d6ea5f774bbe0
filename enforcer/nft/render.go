package nft

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/internal/artifact"
)

// renderer builds one table.
type renderer struct {
	rs       *artifact.Ruleset
	node     *artifact.Node
	limits   limits
	copies   int // that may still be made
	table    *Table
	members  members
	profiles map[profileKey]Verdict
	defined  map[string][sha256.Size]byte // name of a set or chain with a hash in it -> the whole hash
}

// profileKey identifies a profile's chain.
type profileKey struct {
	profile artifact.ProfileID
	dir     artifact.Direction
	fam     Family
}

// ErrUnknownNode means that the ruleset does not have the node.
var ErrUnknownNode = errors.New("ruleset is not for this node")

// Render returns the table of one node for a valid ruleset. It fails with
// ErrUnknownNode if the ruleset does not have the node. Equal rulesets give
// equal tables.
func Render(rs *artifact.Ruleset, node string) (*Table, error) {
	for _, lim := range levels[:len(levels)-1] {
		t, err := render(rs, node, lim, maxCopies)
		if !errors.Is(err, errManyCopies) {
			return t, err
		}
	}
	return render(rs, node, levels[len(levels)-1], math.MaxInt)
}

// errManyCopies means that a table would have more than its share of copies.
var errManyCopies = errors.New("too many copies of addresses")

// render returns the table, or errManyCopies.
func render(rs *artifact.Ruleset, node string, lim limits, copies int) (*Table, error) {
	nodes := rs.Membership.Nodes
	i := slices.IndexFunc(nodes, func(n artifact.Node) bool { return n.Name == node })
	if i < 0 {
		return nil, fmt.Errorf("%w: no node %q, only %s", ErrUnknownNode, node, listNodes(nodes))
	}
	r := &renderer{
		rs:     rs,
		node:   &nodes[i],
		limits: lim,
		copies: copies,
		table: &Table{
			Marker: newMarker(rs, node),
			Sets:   make(map[string]*Set),
			Chains: make(map[string]*Chain),
		},
		profiles: make(map[profileKey]Verdict),
		defined:  make(map[string][sha256.Size]byte),
	}
	local := r.localEndpoints(artifact.NodeID(i))
	r.members = newMembers(rs, r.wantedGroups(local))
	r.addMarker()
	r.addBase(local)
	for _, fam := range []Family{IPv4, IPv6} {
		if err := r.addMap(artifact.Egress, fam, local); err != nil {
			return nil, err
		}
		if err := r.addMap(artifact.Ingress, fam, local); err != nil {
			return nil, err
		}
	}
	return r.table, nil
}

// copying notes that n addresses are copied into a set of their own.
func (r *renderer) copying(n int) error {
	if r.copies -= n; r.copies < 0 {
		return errManyCopies
	}
	return nil
}

// listNodes names a few of the nodes.
func listNodes(nodes []artifact.Node) string {
	const few = 5
	if len(nodes) == 0 {
		return "no nodes"
	}
	var names []string
	for _, n := range nodes[:min(few, len(nodes))] {
		names = append(names, fmt.Sprintf("%q", n.Name))
	}
	if len(nodes) > few {
		names = append(names, fmt.Sprintf("and %d more", len(nodes)-few))
	}
	return strings.Join(names, ", ")
}

// localEndpoints returns the pods of the node.
func (r *renderer) localEndpoints(id artifact.NodeID) []*artifact.Endpoint {
	var out []*artifact.Endpoint
	for i := range r.rs.Membership.Endpoints {
		e := &r.rs.Membership.Endpoints[i]
		if e.Kind == artifact.EndpointPod && e.Node == id {
			out = append(out, e)
		}
	}
	return out
}

// wantedGroups returns the groups that the profiles of the endpoints name.
func (r *renderer) wantedGroups(local []*artifact.Endpoint) map[artifact.GroupID]bool {
	p := &r.rs.Program
	wanted := make(map[artifact.GroupID]bool)
	seen := make(map[artifact.ProfileID]bool)
	for _, e := range local {
		for _, f := range r.rs.Membership.Classes[e.Class].Profiles {
			if seen[f] {
				continue
			}
			seen[f] = true
			for _, t := range p.Profiles[f].Tiers {
				for _, c := range p.Tiers[t].Clauses {
					if peer := p.Clauses[c].Peer; peer.Kind == artifact.PeerGroup {
						wanted[artifact.GroupID(peer.ID)] = true
					}
				}
			}
		}
	}
	return wanted
}

func (r *renderer) addMarker() {
	r.table.Sets[markerSet] = &Set{Name: markerSet, Key: KeyMark, Comment: r.table.Marker.String()}
}

// addMap adds the verdict map from the local pods' addresses to the chains of
// their profiles.
func (r *renderer) addMap(dir artifact.Direction, fam Family, local []*artifact.Endpoint) error {
	name := mapIngress + fam.digit()
	if dir == artifact.Egress {
		name = mapEgress + fam.digit()
	}
	m := &Set{Name: name, Key: KeyAddr, Family: fam, Map: true, Entries: make(map[netip.Addr]Entry, len(local))}
	for _, e := range local {
		for _, a := range e.Addresses {
			if familyOf(a) != fam {
				continue
			}
			f := r.rs.Membership.Classes[e.Class].Profiles[dir]
			v, err := r.profile(profileKey{f, dir, fam})
			if err != nil {
				return fmt.Errorf("profile of pod %v: %w", e, err)
			}
			m.Entries[a] = Entry{Verdict: v, Comment: comment(e.String())}
		}
	}
	r.table.Sets[name] = m
	return nil
}
