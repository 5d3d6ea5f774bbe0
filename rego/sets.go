package rego

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/internal/model"
)

// valueSet is a set of what one label can be: a string, or absent. The zero
// value is empty.
type valueSet struct {
	absent  bool            // absence is in the set
	inverse bool            // the strings are all but those listed
	values  map[string]bool // shared, never changed
}

func oneOf(values ...string) valueSet {
	s := valueSet{values: make(map[string]bool, len(values))}
	for _, v := range values {
		s.values[v] = true
	}
	return s
}

// present is every string.
var present = valueSet{inverse: true}

func (s valueSet) complement() valueSet {
	return valueSet{absent: !s.absent, inverse: !s.inverse, values: s.values}
}

func (s valueSet) has(v string) bool { return s.values[v] != s.inverse }

func (s valueSet) empty() bool { return !s.absent && !s.inverse && len(s.values) == 0 }

func (s valueSet) full() bool { return s.absent && s.inverse && len(s.values) == 0 }

func (s valueSet) intersect(o valueSet) valueSet {
	if s.inverse && !o.inverse {
		s, o = o, s
	}
	out := valueSet{absent: s.absent && o.absent, inverse: s.inverse && o.inverse, values: map[string]bool{}}
	if s.inverse {
		maps.Copy(out.values, s.values)
		maps.Copy(out.values, o.values)
		return out
	}
	for v := range s.values {
		if o.has(v) {
			out.values[v] = true
		}
	}
	return out
}

// filter returns s without listed strings that keep does not hold for.
func (s valueSet) filter(keep func(string) bool) valueSet {
	out := valueSet{absent: s.absent, inverse: s.inverse, values: map[string]bool{}}
	for v := range s.values {
		if keep(v) {
			out.values[v] = true
		}
	}
	return out
}

// sorted returns the listed strings.
func (s valueSet) sorted() []string { return slices.Sorted(maps.Keys(s.values)) }

// addrRange is Low to High inclusive, of one family.
type addrRange struct{ low, high netip.Addr }

// addrSet is a set of addresses, or none at all. The zero value is empty.
type addrSet struct {
	absent bool
	ranges []addrRange // sorted, apart; IPv4 first
}

var everyAddr = []addrRange{prefixRange(netip.MustParsePrefix("0.0.0.0/0")), prefixRange(netip.MustParsePrefix("::/0"))}

func prefixRange(p netip.Prefix) addrRange {
	p = p.Masked()
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	high, _ := netip.AddrFromSlice(b)
	return addrRange{p.Addr(), high}
}

func (s addrSet) contains(a netip.Addr) bool {
	if !a.IsValid() {
		return s.absent
	}
	return slices.ContainsFunc(s.ranges, func(r addrRange) bool {
		return r.low.Is4() == a.Is4() && r.low.Compare(a) <= 0 && a.Compare(r.high) <= 0
	})
}

func (s addrSet) overlaps(p netip.Prefix) bool {
	q := prefixRange(p)
	return slices.ContainsFunc(s.ranges, func(r addrRange) bool {
		return r.low.Is4() == q.low.Is4() && r.low.Compare(q.high) <= 0 && q.low.Compare(r.high) <= 0
	})
}

func (s addrSet) complement() addrSet {
	out := addrSet{absent: !s.absent}
	for _, whole := range everyAddr {
		next := whole.low
		for _, r := range s.ranges {
			if r.low.Is4() != whole.low.Is4() {
				continue
			}
			if next.IsValid() && next.Less(r.low) {
				out.ranges = append(out.ranges, addrRange{next, r.low.Prev()})
			}
			next = r.high.Next()
		}
		if next.IsValid() {
			out.ranges = append(out.ranges, addrRange{next, whole.high})
		}
	}
	return out
}

func (s addrSet) intersect(o addrSet) addrSet {
	out := addrSet{absent: s.absent && o.absent}
	for _, a := range s.ranges {
		for _, b := range o.ranges {
			if a.low.Is4() != b.low.Is4() {
				continue
			}
			low, high := a.low, a.high
			if low.Less(b.low) {
				low = b.low
			}
			if b.high.Less(high) {
				high = b.high
			}
			if !high.Less(low) {
				out.ranges = append(out.ranges, addrRange{low, high})
			}
		}
	}
	slices.SortFunc(out.ranges, func(a, b addrRange) int { return a.low.Compare(b.low) })
	return out
}

// unionAddrs is what one of the sets has.
func unionAddrs(sets ...addrSet) addrSet {
	out := addrSet{}
	for _, s := range sets {
		out = addrSet{absent: out.absent || s.absent, ranges: append(out.ranges, s.ranges...)}
	}
	slices.SortFunc(out.ranges, func(a, b addrRange) int {
		return cmp.Or(cmp.Compare(a.low.BitLen(), b.low.BitLen()), a.low.Compare(b.low))
	})
	merged := out.ranges[:0:0]
	for _, r := range out.ranges {
		if n := len(merged); n > 0 && merged[n-1].low.Is4() == r.low.Is4() {
			last := &merged[n-1]
			if next := last.high.Next(); !next.IsValid() || !next.Less(r.low) {
				if last.high.Less(r.high) {
					last.high = r.high
				}
				continue
			}
		}
		merged = append(merged, r)
	}
	out.ranges = merged
	return out
}

// prefixes covers the ranges exactly.
func (s addrSet) prefixes() []netip.Prefix {
	var out []netip.Prefix
	for _, r := range s.ranges {
		for low := r.low; ; {
			bits := low.BitLen()
			for bits > 0 {
				p := prefixRange(netip.PrefixFrom(low, bits-1))
				if p.low != low || r.high.Less(p.high) {
					break
				}
				bits--
			}
			p := netip.PrefixFrom(low, bits)
			out = append(out, p)
			high := prefixRange(p).high
			if high == r.high {
				break
			}
			low = high.Next()
		}
	}
	return out
}

// portRange is low to high inclusive.
type portRange struct{ low, high int }

// ported are the protocols that have ports, as trafficSet indexes them.
var ported = [3]model.Protocol{model.TCP, model.UDP, model.SCTP}

// trafficSet is a set of protocols and ports. The zero value is empty.
type trafficSet struct {
	ports [3][]portRange // by protocol: sorted, apart
	other valueSet       // names of protocols without ports; absent is never set
}

const maxPort = 65535

var allPorts = []portRange{{0, maxPort}}

// onPorts is the traffic on these ports.
func onPorts(rs []portRange) trafficSet { return trafficSet{ports: [3][]portRange{rs, rs, rs}} }

// onProtocols is the traffic of the protocols in s.
func onProtocols(s valueSet) trafficSet {
	s.absent = false
	t := trafficSet{other: s.intersect(oneOf("TCP", "UDP", "SCTP").complement())}
	t.other.absent = false
	for i, p := range ported {
		if s.has(p.String()) {
			t.ports[i] = allPorts
		}
	}
	return t
}

func (t trafficSet) empty() bool {
	return t.other.empty() && len(t.ports[0]) == 0 && len(t.ports[1]) == 0 && len(t.ports[2]) == 0
}

func (t trafficSet) hasOther() bool { return !t.other.empty() }

func (t trafficSet) full() bool {
	for _, rs := range t.ports {
		if !slices.Equal(rs, allPorts) {
			return false
		}
	}
	for v := range t.other.values {
		if !slices.Contains([]string{"TCP", "UDP", "SCTP"}, v) {
			return false
		}
	}
	return t.other.inverse
}

func (t trafficSet) complement() trafficSet {
	out := trafficSet{other: t.other.complement()}
	out.other.absent = false
	for i := range out.ports {
		next := 0
		for _, r := range t.ports[i] {
			if next < r.low {
				out.ports[i] = append(out.ports[i], portRange{next, r.low - 1})
			}
			next = r.high + 1
		}
		if next <= maxPort {
			out.ports[i] = append(out.ports[i], portRange{next, maxPort})
		}
	}
	return out
}

func (t trafficSet) intersect(o trafficSet) trafficSet {
	out := trafficSet{other: t.other.intersect(o.other)}
	for i := range out.ports {
		for _, a := range t.ports[i] {
			for _, b := range o.ports[i] {
				if r := (portRange{max(a.low, b.low), min(a.high, b.high)}); r.low <= r.high {
					out.ports[i] = append(out.ports[i], r)
				}
			}
		}
		out.ports[i] = mergePorts(out.ports[i])
	}
	return out
}

// mergePorts sorts the ranges and joins those that overlap or touch.
func mergePorts(rs []portRange) []portRange {
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(a, b portRange) int { return cmp.Or(cmp.Compare(a.low, b.low), cmp.Compare(a.high, b.high)) })
	out := rs[:0]
	for _, r := range rs {
		if n := len(out); n > 0 && r.low <= out[n-1].high+1 {
			out[n-1].high = max(out[n-1].high, r.high)
			continue
		}
		out = append(out, r)
	}
	return out
}
