package artifact

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// Limits bound what Decode accepts. A zero field means its default.
type Limits struct {
	MaxBytes  int64 // size of the file; default 64 MiB
	MaxMemory int64 // memory of the decoded value, approximately; default 512 MiB
}

func (l Limits) withDefaults() Limits {
	if l.MaxBytes == 0 {
		l.MaxBytes = 64 << 20
	}
	if l.MaxMemory == 0 {
		l.MaxMemory = 512 << 20
	}
	return l
}

// ErrNotArtifact means that the data does not begin as an artifact does.
var ErrNotArtifact = errors.New("not a Sluice artifact")

// SchemaError means that the artifact is of a schema that this build does not
// know. It is refused whole: what is not understood cannot be enforced.
type SchemaError struct{ Version uint32 }

func (e *SchemaError) Error() string {
	return fmt.Sprintf("artifact: schema version %d; this build reads only version %d: use the sluice and sluiced of the release that wrote it, or newer", e.Version, SchemaVersion)
}

// Decode reads one artifact up to the end of r. It accepts exactly what Encode
// writes: every other sequence of bytes is an error (ErrNotArtifact,
// *SchemaError or *FormatError, or r's own), with bounded memory.
func Decode(r io.Reader, lim Limits) (*Ruleset, error) {
	lim = lim.withDefaults()
	b, err := io.ReadAll(io.LimitReader(r, lim.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("artifact: read: %w", err)
	}
	if int64(len(b)) > lim.MaxBytes {
		return nil, fmt.Errorf("artifact: larger than the limit of %d bytes", lim.MaxBytes)
	}
	return decode(b, lim)
}

func decode(b []byte, lim Limits) (*Ruleset, error) {
	if len(b) < fileHeaderLen || string(b[:len(magic)]) != magic {
		return nil, fmt.Errorf("artifact: %w (%d bytes)", ErrNotArtifact, len(b))
	}
	if v := binary.LittleEndian.Uint32(b[len(magic):]); v != SchemaVersion {
		return nil, &SchemaError{Version: v}
	}
	if k := binary.LittleEndian.Uint32(b[len(magic)+4:]); k != kindFull {
		return nil, &FormatError{Offset: len(magic) + 4, Field: "kind", Err: fmt.Errorf("unknown kind %d", k)}
	}
	rs := &Ruleset{Digest: sha256.Sum256(b)}
	budget := lim.MaxMemory
	r := &reader{b: b, pos: fileHeaderLen, budget: &budget}
	for _, id := range sections {
		if err := r.enter(id); err != nil {
			return nil, err
		}
		switch id {
		case sectionHeader:
			r.header(&rs.Header)
		case sectionProgram:
			r.program(&rs.Program)
		case sectionMembership:
			r.membership(&rs.Membership, &rs.Program)
		}
		if r.err == nil && r.pos != r.end {
			r.field = id.String()
			r.failf("%d bytes too many", r.end-r.pos)
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	if r.pos != len(b) {
		return nil, &FormatError{Offset: r.pos, Field: "file", Err: fmt.Errorf("%d bytes after the last section", len(b)-r.pos)}
	}
	if err := rs.Validate(); err != nil {
		return nil, fmt.Errorf("artifact: %w", err)
	}
	return rs, nil
}

// enter checks the section header at r.pos and bounds r to its body.
func (r *reader) enter(id sectionID) error {
	r.end, r.field = len(r.b), id.String()
	hdr := r.raw(sectionHdrLen)
	if r.err != nil {
		return r.err
	}
	if got := sectionID(binary.LittleEndian.Uint32(hdr)); got != id {
		r.failf("found %v here", got)
		return r.err
	}
	n := binary.LittleEndian.Uint64(hdr[4:])
	if n > uint64(len(r.b)-r.pos) {
		r.fail(errTruncated)
		return r.err
	}
	r.end = r.pos + int(n)
	sum := sha256.Sum256(r.b[r.pos:r.end])
	if !bytes.Equal(sum[:], hdr[12:]) {
		r.failf("checksum does not match: the file is damaged")
		return r.err
	}
	return nil
}

func (r *reader) digest() (d Digest) {
	copy(d[:], r.raw(len(d)))
	return d
}

func (r *reader) header(h *Header) {
	r.field = "header"
	h.Generation = r.uint()
	h.Parent = r.digest()
	h.Default = Verdict(r.byte())
	r.field = "header.inputs"
	if n := r.count(2+sha256.Size+1, 80); n > 0 {
		h.Inputs = make([]Input, n)
	}
	prev := ""
	for i := range h.Inputs {
		in := &h.Inputs[i]
		in.Name = r.after(prev)
		in.Digest = r.digest()
		in.Version = r.string()
		prev = in.Name
	}
}

// strings reads a string table and insists on order, which makes it canonical.
func (r *reader) strings() []string {
	out := make([]string, r.count(2, 16))
	prev := ""
	for i := range out {
		out[i] = r.after(prev)
		if r.err == nil && i > 0 && out[i] <= prev {
			r.failf("strings are not in order")
		}
		if r.err != nil {
			return nil
		}
		prev = out[i]
	}
	return out
}

// stringRef reads a reference into strs and notes that it is used.
func (r *reader) stringRef(strs []string, used []bool) string {
	i := r.below(len(strs), "string")
	if r.err != nil {
		return ""
	}
	used[i] = true
	return strs[i]
}

func (r *reader) allUsed(used []bool) {
	for i, u := range used {
		if r.err == nil && !u {
			r.failf("string %d is not used", i)
		}
	}
}

func (r *reader) program(p *Program) {
	r.field = "program.strings"
	strs := r.strings()
	used := make([]bool, len(strs))

	r.field = "program.rules"
	p.Rules = make([]Rule, r.count(8, 104))
	for i := range p.Rules {
		u := &p.Rules[i]
		tag := r.byte()
		u.Tier, u.Direction = TierKind(tag>>1), Direction(tag&1)
		for _, s := range []*string{&u.Kind, &u.Namespace, &u.Name, &u.ID, &u.File} {
			*s = r.stringRef(strs, used)
		}
		u.Line, u.Col = r.uint32(), r.uint32()
		if r.err != nil {
			return
		}
	}
	r.allUsed(used)

	r.field = "program.ports"
	p.Ports = make([]PortSet, 1+r.count(1, 24))
	for i := range p.Ports[1:] {
		set := make(PortSet, r.count(3, 6))
		for j := range set {
			set[j].Protocol = r.byte()
			low, span := r.uint(), r.uint()
			if r.err == nil && (low > 65535 || span > 65535-low) {
				r.failf("port beyond 65535")
			}
			if r.err != nil {
				return
			}
			set[j].Low, set[j].High = uint16(low), uint16(low+span)
		}
		p.Ports[i+1] = set
	}

	r.field = "program.blocks"
	p.Blocks = make([]Block, r.count(1, 24))
	for i := range p.Blocks {
		b := make(Block, r.count(9, 48))
		for j := range b {
			b[j].Low = r.addr()
			if b[j].Low.IsValid() {
				b[j].High, _ = netip.AddrFromSlice(r.raw(b[j].Low.BitLen() / 8))
			}
			if r.err != nil {
				return
			}
		}
		p.Blocks[i] = b
	}

	r.field = "program.groups"
	p.Groups = make([]Group, r.count(1, 16))
	for i := range p.Groups {
		p.Groups[i].Name = r.string()
	}
	r.field = "program.domains"
	p.Domains = make([]Domain, r.count(1, 16))
	for i := range p.Domains {
		p.Domains[i].Name = r.string()
	}

	r.clauses(p)

	r.field = "program.tiers"
	p.Tiers = make([]Tier, r.count(3, 56))
	for i := range p.Tiers {
		t := &p.Tiers[i]
		tag := r.byte()
		t.Kind, t.End = TierKind(tag>>2), Verdict(tag&3)
		t.Clauses = readIDs[ClauseID](r, len(p.Clauses), "clause")
		t.EndRules = readIDs[RuleID](r, len(p.Rules), "rule")
		if r.err != nil {
			return
		}
	}

	r.field = "program.profiles"
	p.Profiles = make([]Profile, 1+r.count(2, 32))
	for i := range p.Profiles[1:] {
		f := &p.Profiles[i+1]
		f.Direction = Direction(r.byte())
		f.Tiers = readIDs[TierID](r, len(p.Tiers), "tier")
	}
}

func (r *reader) clauses(p *Program) {
	r.field = "program.clauses"
	p.Clauses = make([]Clause, r.count(3, 40))
	for i := range p.Clauses {
		c := &p.Clauses[i]
		tag := r.byte()
		c.Verdict, c.Log, c.Peer.Kind = Verdict(tag&3), tag&4 != 0, PeerKind(tag>>3)
		switch c.Peer.Kind {
		case PeerAny:
		case PeerGroup:
			c.Peer.ID = r.below(len(p.Groups), "group")
		case PeerBlock:
			c.Peer.ID = r.below(len(p.Blocks), "block")
		case PeerDomain:
			c.Peer.ID = r.below(len(p.Domains), "domain")
		default:
			r.failf("clause %d: unknown peer kind %d", i, c.Peer.Kind)
		}
		c.Ports = PortsID(r.below(len(p.Ports), "port set"))
		c.Rules = readIDs[RuleID](r, len(p.Rules), "rule")
		if r.err != nil {
			return
		}
	}
}

func (r *reader) uint32() uint32 {
	v := r.uint()
	if r.err == nil && v > 1<<32-1 {
		r.failf("number of more than 32 bits")
	}
	return uint32(v)
}

func (r *reader) membership(m *Membership, p *Program) {
	r.field = "membership.strings"
	strs := r.strings()
	used := make([]bool, len(strs))

	r.field = "membership.classes"
	m.Classes = make([]Class, 1+r.count(3, 32))
	for i := range m.Classes[1:] {
		c := &m.Classes[i+1]
		c.Profiles[Ingress] = ProfileID(r.below(len(p.Profiles), "profile"))
		c.Profiles[Egress] = ProfileID(r.below(len(p.Profiles), "profile"))
		if n := r.count(1, 4); n > 0 {
			c.Groups = make([]GroupID, n)
		}
		prev := uint64(0)
		for j := range c.Groups {
			d := r.uint()
			if r.err == nil && (d >= uint64(len(p.Groups)) || prev+d >= uint64(len(p.Groups))) {
				r.failf("group out of range, there are only %d", len(p.Groups))
			}
			if r.err != nil {
				return
			}
			prev += d
			c.Groups[j] = GroupID(prev)
		}
	}

	r.field = "membership.nodes"
	m.Nodes = make([]Node, r.count(5, 72))
	prev := ""
	for i := range m.Nodes {
		n := &m.Nodes[i]
		n.Name = r.after(prev)
		prev = n.Name
		n.Class = ClassID(r.below(len(m.Classes), "class"))
		if k := r.count(5, 24); k > 0 {
			n.Addresses = make([]netip.Addr, k)
		}
		for j := range n.Addresses {
			n.Addresses[j] = r.addr()
		}
		if k := r.count(6, 32); k > 0 {
			n.PodCIDRs = make([]netip.Prefix, k)
		}
		for j := range n.PodCIDRs {
			a := r.addr()
			n.PodCIDRs[j] = netip.PrefixFrom(a, int(r.byte()))
		}
		if r.err != nil {
			return
		}
	}
	r.endpoints(m, strs, used)
	r.allUsed(used)
}

func (r *reader) endpoints(m *Membership, strs []string, used []bool) {
	r.field = "membership.endpoints"
	es := make([]Endpoint, r.count(8, 96))
	for i := range es {
		es[i].Kind = EndpointKind(r.byte())
	}
	for i := range es {
		es[i].Namespace = r.stringRef(strs, used)
	}
	prev := ""
	for i := range es {
		es[i].Name = r.after(prev)
		prev = es[i].Name
	}
	for i := range es {
		es[i].Workload = r.stringRef(strs, used)
	}
	for i := range es {
		es[i].Node = NodeID(r.below(len(m.Nodes)+1, "node")) - 1
	}
	for i := range es {
		es[i].Class = ClassID(r.below(len(m.Classes), "class"))
	}
	counts := make([]int, len(es))
	total := 0
	for i := range counts {
		n := r.uint()
		if r.err == nil && n > uint64((r.end-r.pos)/5) {
			r.failf("%d addresses do not fit in the %d bytes left", n, r.end-r.pos)
		}
		if r.err != nil {
			return
		}
		counts[i] = int(n)
		total += int(n)
		if total > (r.end-r.pos)/5 {
			r.failf("%d addresses do not fit in the %d bytes left", total, r.end-r.pos)
			return
		}
	}
	if !r.charge(int64(total) * 24) {
		return
	}
	all := make([]netip.Addr, total)
	for i := range all {
		all[i] = r.addr()
		if r.err != nil {
			return
		}
	}
	for i, n := range counts {
		if n > 0 {
			es[i].Addresses, all = all[:n:n], all[n:]
		}
	}
	m.Endpoints = es
}

// MagicLen is the number of bytes that HasMagic needs.
const MagicLen = len(magic)

// HasMagic reports whether data begins as artifacts do.
func HasMagic(head []byte) bool {
	return len(head) >= MagicLen && string(head[:MagicLen]) == magic
}
