package artifact

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// File layout; all fixed-size integers are little-endian.
//
//	offset size
//	0      8    magic
//	8      4    schema version
//	12     4    kind: 1 full ruleset
//	16          sections header, program, membership, in this order, each:
//	            4  section id
//	            8  length of the body, bytes
//	            32 SHA-256 of the body
//	            n  body
const (
	magic         = "\x89SLC\r\n\x1a\n"
	kindFull      = 1
	fileHeaderLen = len(magic) + 4 + 4
	sectionHdrLen = 4 + 8 + sha256.Size
)

type sectionID uint32

const (
	sectionHeader sectionID = iota + 1
	sectionProgram
	sectionMembership
)

var sections = []sectionID{sectionHeader, sectionProgram, sectionMembership}

func (s sectionID) String() string {
	switch s {
	case sectionHeader:
		return "header"
	case sectionProgram:
		return "program"
	case sectionMembership:
		return "membership"
	default:
		return fmt.Sprintf("section %d", uint32(s))
	}
}

// Encode returns the canonical bytes of rs and sets rs.Digest. It fails only
// if rs breaks an invariant of its types, which is a bug of whoever built it.
func Encode(rs *Ruleset) ([]byte, error) {
	if err := rs.Validate(); err != nil {
		return nil, fmt.Errorf("artifact: %w", err)
	}
	var out []byte
	out = append(out, magic...)
	out = binary.LittleEndian.AppendUint32(out, SchemaVersion)
	out = binary.LittleEndian.AppendUint32(out, kindFull)
	for _, body := range []struct {
		id    sectionID
		bytes []byte
	}{
		{sectionHeader, encodeHeader(&rs.Header)},
		{sectionProgram, encodeProgram(&rs.Program)},
		{sectionMembership, encodeMembership(&rs.Membership)},
	} {
		out = binary.LittleEndian.AppendUint32(out, uint32(body.id))
		out = binary.LittleEndian.AppendUint64(out, uint64(len(body.bytes)))
		sum := sha256.Sum256(body.bytes)
		out = append(out, sum[:]...)
		out = append(out, body.bytes...)
	}
	rs.Digest = sha256.Sum256(out)
	return out, nil
}

func encodeHeader(h *Header) []byte {
	var w writer
	w.uint(h.Generation)
	w.raw(h.Parent[:])
	w.byte(byte(h.Default))
	w.uint(uint64(len(h.Inputs)))
	prev := ""
	for i := range h.Inputs {
		in := &h.Inputs[i]
		w.after(prev, in.Name)
		w.raw(in.Digest[:])
		w.string(in.Version)
		prev = in.Name
	}
	return w.b
}

// stringTable is the sorted set of the strings that a section refers to.
type stringTable struct {
	list []string
	id   map[string]uint64
}

func newStringTable(collect func(add func(string))) stringTable {
	set := map[string]struct{}{}
	collect(func(s string) { set[s] = struct{}{} })
	t := stringTable{list: slices.Sorted(maps.Keys(set)), id: make(map[string]uint64, len(set))}
	for i, s := range t.list {
		t.id[s] = uint64(i)
	}
	return t
}

func (t stringTable) encode(w *writer) {
	w.uint(uint64(len(t.list)))
	prev := ""
	for _, s := range t.list {
		w.after(prev, s)
		prev = s
	}
}

func encodeProgram(p *Program) []byte {
	var w writer
	strs := newStringTable(func(add func(string)) {
		for i := range p.Rules {
			r := &p.Rules[i]
			for _, s := range []string{r.Kind, r.Namespace, r.Name, r.ID, r.File} {
				add(s)
			}
		}
	})
	strs.encode(&w)

	w.uint(uint64(len(p.Rules)))
	for i := range p.Rules {
		r := &p.Rules[i]
		w.byte(byte(r.Tier)<<1 | byte(r.Direction))
		for _, s := range []string{r.Kind, r.Namespace, r.Name, r.ID, r.File} {
			w.uint(strs.id[s])
		}
		w.uint(uint64(r.Line))
		w.uint(uint64(r.Col))
	}

	w.uint(uint64(len(p.Ports) - 1)) // the set of all ports is implied
	for _, set := range p.Ports[1:] {
		w.uint(uint64(len(set)))
		for _, r := range set {
			w.byte(r.Protocol)
			w.uint(uint64(r.Low))
			w.uint(uint64(r.High - r.Low))
		}
	}

	w.uint(uint64(len(p.Blocks)))
	for _, b := range p.Blocks {
		w.uint(uint64(len(b)))
		for _, r := range b {
			w.addr(r.Low)
			w.raw(r.High.AsSlice())
		}
	}

	w.uint(uint64(len(p.Groups)))
	for _, g := range p.Groups {
		w.string(g.Name)
	}
	w.uint(uint64(len(p.Domains)))
	for _, d := range p.Domains {
		w.string(d.Name)
	}

	w.uint(uint64(len(p.Clauses)))
	for i := range p.Clauses {
		c := &p.Clauses[i]
		w.byte(clauseTag(c))
		if c.Peer.Kind != PeerAny {
			w.uint(uint64(c.Peer.ID))
		}
		w.uint(uint64(c.Ports))
		ids(&w, c.Rules)
	}

	w.uint(uint64(len(p.Tiers)))
	for i := range p.Tiers {
		t := &p.Tiers[i]
		w.byte(byte(t.Kind)<<2 | byte(t.End))
		ids(&w, t.Clauses)
		ids(&w, t.EndRules)
	}

	w.uint(uint64(len(p.Profiles) - 1)) // the empty profile is implied
	for i := range p.Profiles[1:] {
		f := &p.Profiles[i+1]
		w.byte(byte(f.Direction))
		ids(&w, f.Tiers)
	}
	return w.b
}

// clauseTag packs verdict (bits 0-1), log (bit 2) and peer kind (bits 3-5).
func clauseTag(c *Clause) byte {
	t := byte(c.Verdict) | byte(c.Peer.Kind)<<3
	if c.Log {
		t |= 1 << 2
	}
	return t
}

// encodeMembership writes endpoints by column: neighbouring values are alike,
// which compresses well.
func encodeMembership(m *Membership) []byte {
	var w writer
	strs := newStringTable(func(add func(string)) {
		for i := range m.Endpoints {
			add(m.Endpoints[i].Namespace)
			add(m.Endpoints[i].Workload)
		}
	})
	strs.encode(&w)

	w.uint(uint64(len(m.Classes) - 1)) // class 0 is implied
	for i := range m.Classes[1:] {
		c := &m.Classes[i+1]
		w.uint(uint64(c.Profiles[Ingress]))
		w.uint(uint64(c.Profiles[Egress]))
		w.uint(uint64(len(c.Groups)))
		prev := GroupID(0)
		for _, g := range c.Groups {
			w.uint(uint64(g - prev))
			prev = g
		}
	}

	w.uint(uint64(len(m.Nodes)))
	prev := ""
	for i := range m.Nodes {
		n := &m.Nodes[i]
		w.after(prev, n.Name)
		prev = n.Name
		w.uint(uint64(n.Class))
		w.uint(uint64(len(n.Addresses)))
		for _, a := range n.Addresses {
			w.addr(a)
		}
		w.uint(uint64(len(n.PodCIDRs)))
		for _, p := range n.PodCIDRs {
			w.addr(p.Addr())
			w.byte(byte(p.Bits()))
		}
	}

	es := m.Endpoints
	w.uint(uint64(len(es)))
	for i := range es {
		w.byte(byte(es[i].Kind))
	}
	for i := range es {
		w.uint(strs.id[es[i].Namespace])
	}
	prev = ""
	for i := range es {
		w.after(prev, es[i].Name)
		prev = es[i].Name
	}
	for i := range es {
		w.uint(strs.id[es[i].Workload])
	}
	for i := range es {
		w.uint(uint64(es[i].Node + 1))
	}
	for i := range es {
		w.uint(uint64(es[i].Class))
	}
	for i := range es {
		w.uint(uint64(len(es[i].Addresses)))
	}
	for i := range es {
		for _, a := range es[i].Addresses {
			w.addr(a)
		}
	}
	return w.b
}
