package compiler

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/compiler/ir"
	"github.com/sluice-net/sluice/internal/model"
)

func comparePortRanges(a, b ir.PortRange) int {
	return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Low, b.Low), cmp.Compare(a.High, b.High))
}

// mergePorts sorts ranges and joins those that overlap or touch.
func mergePorts(rs []ir.PortRange) []ir.PortRange {
	slices.SortFunc(rs, comparePortRanges)
	out := rs[:0]
	for _, r := range rs {
		if n := len(out); n > 0 && out[n-1].Protocol == r.Protocol && int(r.Low) <= int(out[n-1].High)+1 {
			out[n-1].High = max(out[n-1].High, r.High)
			continue
		}
		out = append(out, r)
	}
	return out
}

// coversPorts reports whether every port of b is in a; both are merged.
func coversPorts(a, b []ir.PortRange) bool {
	i := 0
	for _, r := range b {
		for i < len(a) && (a[i].Protocol < r.Protocol || a[i].Protocol == r.Protocol && a[i].High < r.Low) {
			i++
		}
		if i == len(a) || a[i].Protocol != r.Protocol || a[i].Low > r.Low || a[i].High < r.High {
			return false
		}
	}
	return true
}

// prefixRange returns the first and last address of p.
func prefixRange(p netip.Prefix) ir.AddrRange {
	p = p.Masked()
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return ir.AddrRange{Low: p.Addr(), High: last}
}

// peerRanges returns the addresses of a block peer: Block without Except.
func peerRanges(p *model.Peer) []ir.AddrRange {
	holes := make([]ir.AddrRange, 0, len(p.Except))
	for _, e := range p.Except {
		holes = append(holes, prefixRange(e))
	}
	return subtractAddrs(prefixRange(p.Block), mergeAddrs(holes))
}

// mergeAddrs sorts ranges, IPv4 first, and joins those that overlap or touch.
func mergeAddrs(rs []ir.AddrRange) []ir.AddrRange {
	slices.SortFunc(rs, func(a, b ir.AddrRange) int {
		return cmp.Or(a.Low.Compare(b.Low), a.High.Compare(b.High))
	})
	out := rs[:0]
	for _, r := range rs {
		if n := len(out); n > 0 && out[n-1].Low.Is4() == r.Low.Is4() {
			next := out[n-1].High.Next() // invalid after the family's last address
			if !next.IsValid() || r.Low.Compare(next) <= 0 {
				if out[n-1].High.Less(r.High) {
					out[n-1].High = r.High
				}
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// subtractAddrs returns r without holes, which are merged. Holes of the other
// family change nothing.
func subtractAddrs(r ir.AddrRange, holes []ir.AddrRange) []ir.AddrRange {
	var out []ir.AddrRange
	low := r.Low
	for _, h := range holes {
		if h.Low.Is4() != r.Low.Is4() || h.High.Less(low) || r.High.Less(h.Low) {
			continue
		}
		if low.Less(h.Low) {
			out = append(out, ir.AddrRange{Low: low, High: h.Low.Prev()})
		}
		if r.High.Compare(h.High) <= 0 {
			return out
		}
		low = h.High.Next()
	}
	return append(out, ir.AddrRange{Low: low, High: r.High})
}

// coversAddrs reports whether every address of b is in a; both are merged.
func coversAddrs(a, b []ir.AddrRange) bool {
	for _, r := range b {
		i, found := slices.BinarySearchFunc(a, r.Low, func(x ir.AddrRange, low netip.Addr) int { return x.Low.Compare(low) })
		if !found {
			i--
		}
		if i < 0 || a[i].Low.Is4() != r.Low.Is4() || a[i].High.Less(r.High) {
			return false
		}
	}
	return true
}
