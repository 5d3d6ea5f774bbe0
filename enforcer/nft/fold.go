package nft

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/internal/artifact"
)

// limits bound what is folded.
type limits struct {
	lookups      int // rules over groups with ports in one run before they are folded into one
	foldPorts    int // single ports of a clause that is folded
	foldElements int // of one folded set
	union        int // addresses of a group that goes into a union with others
}

// levels are tried in turn until a table's copies of addresses, those in
// folded sets and unions, are at most maxCopies. The last copies nothing:
// sets of groups are shared by all profiles.
var levels = []limits{
	{lookups: 3, foldPorts: 64, foldElements: 1 << 16, union: 1 << 14},
	{lookups: 3, foldPorts: 64, foldElements: 1 << 12, union: 1 << 12},
	{lookups: math.MaxInt},
}

// maxCopies bounds the kernel's memory: an element takes about 80 bytes.
const maxCopies = 1 << 19

// cond is a rule's matches and the provenance of its clauses.
type cond struct {
	match []Match
	rules []artifact.RuleID
}

// bucket is the clauses of one run and kind of peer with the same ports.
type bucket struct {
	ports   artifact.PortSet // nil for all, as in artifact.AllPorts
	peers   []uint32
	clauses []artifact.ClauseID
}

// fold returns conditions, few whatever the number of clauses, of which one or
// more hold exactly if one or more clauses of the run match. A condition
// without matches always holds, and is then the only one.
func (r *renderer) fold(k profileKey, c run) ([]cond, error) {
	f := folder{renderer: r, fam: k.fam, side: Destination}
	if k.dir == artifact.Ingress {
		f.side = Source
	}
	for _, id := range c.clauses {
		cl := &r.rs.Program.Clauses[id]
		f.add(&f.buckets[cl.Peer.Kind], id, cl.Ports, cl.Peer.ID)
	}
	f.wholeBlocks()
	for kind := range f.buckets {
		slices.SortStableFunc(f.buckets[kind], func(a, b bucket) int {
			return cmp.Compare(portsKey(a.ports), portsKey(b.ports))
		})
	}
	for _, step := range []func() error{f.any, f.groups, f.blocks, f.domains} {
		if err := step(); err != nil {
			return nil, err
		}
		if len(f.out) > 0 && len(f.out[0].match) == 0 {
			return f.out[:1], nil
		}
	}
	return f.out, nil
}

// folder is the state of one fold.
type folder struct {
	*renderer
	fam     Family
	side    Side
	buckets [artifact.PeerDomain + 1][]bucket
	out     []cond
}

func (f *folder) add(to *[]bucket, id artifact.ClauseID, ports artifact.PortsID, peer uint32) {
	set := f.rs.Program.Ports[ports]
	i := slices.IndexFunc(*to, func(b bucket) bool { return slices.Equal(b.ports, set) })
	if i < 0 {
		i = len(*to)
		*to = append(*to, bucket{ports: set})
	}
	b := &(*to)[i]
	b.clauses = append(b.clauses, id)
	if !slices.Contains(b.peers, peer) {
		b.peers = append(b.peers, peer)
	}
}

// wholeBlocks turns blocks of every address of the family into any peer, and
// drops buckets without an address of the family.
func (f *folder) wholeBlocks() {
	f.buckets[artifact.PeerBlock] = slices.DeleteFunc(f.buckets[artifact.PeerBlock], func(b bucket) bool {
		ranges := f.ranges(b)
		if isWhole(ranges) {
			for _, id := range b.clauses {
				f.add(&f.buckets[artifact.PeerAny], id, f.rs.Program.Clauses[id].Ports, 0)
			}
		}
		return len(ranges) == 0 || isWhole(ranges)
	})
}

// ranges returns the addresses of the family of a bucket of blocks.
func (f *folder) ranges(b bucket) []artifact.AddrRange {
	var all []artifact.AddrRange
	for _, id := range b.peers {
		all = append(all, rangesOf(f.rs.Program.Blocks[id], f.fam)...)
	}
	return mergeRanges(all)
}

func (f *folder) emit(clauses []artifact.ClauseID, match ...Match) {
	f.out = append(f.out, cond{match: match, rules: f.ruleIDs(clauses)})
}

func (f *folder) on(field Field, set string) Match {
	return Match{Field: field, Family: f.fam, Side: f.side, Set: set}
}

// any handles clauses for every peer.
func (f *folder) any() error {
	var sets []artifact.PortSet
	var clauses []artifact.ClauseID
	for _, b := range f.buckets[artifact.PeerAny] {
		if b.ports == nil {
			f.out = nil
			f.emit(b.clauses)
			return nil
		}
		sets = append(sets, b.ports)
		clauses = append(clauses, b.clauses...)
	}
	if len(sets) == 0 {
		return nil
	}
	return f.emitPorts(bucket{ports: unionPorts(sets...), clauses: clauses})
}

// blocks handles clauses on address blocks: one set for those on all ports,
// one for the others. A single prefix needs no set.
func (f *folder) blocks() error {
	var items []blockPorts
	var last bucket
	var clauses []artifact.ClauseID
	for _, b := range f.buckets[artifact.PeerBlock] {
		ranges := f.ranges(b)
		if b.ports != nil {
			items = append(items, blockPorts{ranges, b.ports})
			clauses = append(clauses, b.clauses...)
			last = b
			continue
		}
		m, ok := f.prefix(ranges)
		if !ok {
			set, err := f.content("b", &Set{Key: KeyAddr, Interval: true, Elements: rangeElements(ranges)})
			if err != nil {
				return err
			}
			m = f.on(FieldAddr, set)
		}
		f.emit(b.clauses, m)
	}
	if len(items) == 0 {
		return nil
	}
	if len(items) == 1 {
		if m, ok := f.prefix(items[0].ranges); ok {
			return f.emitPorts(last, m)
		}
	}
	set, err := f.content("bp", &Set{Key: KeyAddrPorts, Interval: true, Elements: rectangles(f.fam, items)})
	if err != nil {
		return err
	}
	f.emit(clauses, f.on(FieldAddrPorts, set))
	return nil
}

// prefix returns the match for ranges that are one prefix.
func (f *folder) prefix(ranges []artifact.AddrRange) (Match, bool) {
	if len(ranges) != 1 {
		return Match{}, false
	}
	low := ranges[0].Low
	for bits := 1; bits <= low.BitLen(); bits++ {
		if p := netip.PrefixFrom(low, bits); p.Masked() == p && prefixRange(p) == ranges[0] {
			return Match{Field: FieldPrefix, Family: f.fam, Side: f.side, Prefix: p}, true
		}
	}
	return Match{}, false
}

// domains handles clauses on names: one set for each name, filled while the
// table stands.
func (f *folder) domains() error {
	for _, b := range f.buckets[artifact.PeerDomain] {
		for _, id := range b.peers {
			domain := f.rs.Program.Domains[id].Name
			name, err := f.hashed("d"+f.fam.digit()+"_", domain)
			if err != nil {
				return err
			}
			f.table.Sets[name] = &Set{
				Name: name, Comment: comment(domain), Key: KeyAddr, Family: f.fam, Learned: true, Domain: domain,
			}
			if err := f.emitPorts(b, f.on(FieldAddr, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxRanges is the number of port ranges that become rules of their own: a
// comparison before the lookup of the peer costs less than a lookup after it.
const maxRanges = 2

// emitPorts emits the matches together with the bucket's ports.
func (f *folder) emitPorts(b bucket, m ...Match) error {
	switch {
	case b.ports == nil:
		f.emit(b.clauses, m...)
	case len(b.ports) <= maxRanges:
		for _, r := range b.ports {
			f.emit(b.clauses, append([]Match{{Field: FieldPort, Ports: r}}, m...)...)
		}
	default:
		set, err := f.portSet(b.ports)
		if err != nil {
			return err
		}
		f.emit(b.clauses, append(m, Match{Field: FieldPorts, Set: set})...)
	}
	return nil
}

// content adds a set whose elements never change, called by their hash.
func (f *folder) content(prefix string, s *Set) (string, error) {
	if s.Key != KeyPorts { // ports are the same for both families
		s.Family = f.fam
		prefix += f.fam.digit()
	}
	name, err := f.hashed(prefix+"_", string(s.Elements))
	if err != nil {
		return "", err
	}
	s.Name = name
	if f.table.Sets[name] == nil {
		f.table.Sets[name] = s
	}
	return name, nil
}

// portSet adds the set of these ports: of single ports if they are few, which
// is the fastest to look up.
func (f *folder) portSet(ports artifact.PortSet) (string, error) {
	s := &Set{Key: KeyPorts}
	if countPorts(ports) <= f.limits.foldPorts {
		s.Elements = appendPorts(nil, nil, ports)
		return f.content("p", s)
	}
	s.Interval = true
	for _, r := range ports {
		s.Elements = appendPort(s.Elements, r.Protocol, r.Low)
		s.Elements = appendPort(s.Elements, r.Protocol, r.High)
	}
	return f.content("pr", s)
}

// groupNames describes groups in a stable way.
func (f *folder) groupNames(groups []uint32) string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = fmt.Sprintf("%q", f.rs.Program.Groups[g].Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
