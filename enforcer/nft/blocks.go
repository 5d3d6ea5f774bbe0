package nft

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/internal/artifact"
)

// blockPorts is address ranges and the ports that go with them.
type blockPorts struct {
	ranges []artifact.AddrRange
	ports  artifact.PortSet
}

// rangesOf returns the ranges of one family.
func rangesOf(b artifact.Block, fam Family) []artifact.AddrRange {
	i := slices.IndexFunc(b, func(r artifact.AddrRange) bool { return familyOf(r.Low) == IPv6 })
	if i < 0 {
		i = len(b)
	}
	if fam == IPv4 {
		return b[:i]
	}
	return b[i:]
}

// mergeRanges returns the addresses that are in any of the ranges, which are
// of one family: sorted, neither overlapping nor adjacent.
func mergeRanges(ranges []artifact.AddrRange) []artifact.AddrRange {
	all := slices.SortedFunc(slices.Values(ranges), func(a, b artifact.AddrRange) int { return a.Low.Compare(b.Low) })
	out := all[:0]
	for _, r := range all {
		n := len(out) - 1
		if n < 0 {
			out = append(out, r)
			continue
		}
		if next := out[n].High.Next(); next.IsValid() && next.Less(r.Low) {
			out = append(out, r)
		} else if out[n].High.Less(r.High) {
			out[n].High = r.High
		}
	}
	return out
}

// prefixRange returns the addresses of p.
func prefixRange(p netip.Prefix) artifact.AddrRange {
	p = p.Masked()
	high := p.Addr().AsSlice()
	for i := p.Bits(); i < len(high)*8; i++ {
		high[i/8] |= 0x80 >> (i % 8)
	}
	h, _ := netip.AddrFromSlice(high)
	return artifact.AddrRange{Low: p.Addr(), High: h}
}

// isWhole reports whether the merged ranges are every address of the family.
func isWhole(ranges []artifact.AddrRange) bool {
	return len(ranges) == 1 && ranges[0].Low.IsUnspecified() && !ranges[0].High.Next().IsValid()
}

// rangeElements encodes merged ranges as elements of an interval set.
func rangeElements(ranges []artifact.AddrRange) []byte {
	var b []byte
	for _, r := range ranges {
		b = appendAddr(appendAddr(b, r.Low), r.High)
	}
	return b
}

// rectangles covers every (address, port) of the items by elements that do not
// overlap, which a set of ranges over concatenations requires: address ranges
// are cut where the ports that apply change.
func rectangles(fam Family, items []blockPorts) []byte {
	type edge struct {
		at   netip.Addr // where the item begins to apply, or no longer applies
		item int
		step int
	}
	var edges []edge
	for i, it := range items {
		for _, r := range it.ranges {
			edges = append(edges, edge{r.Low, i, 1})
			if next := r.High.Next(); next.IsValid() {
				edges = append(edges, edge{next, i, -1})
			}
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return a.at.Compare(b.at) })

	var (
		out    []byte
		active = make([]int, len(items))
		low    netip.Addr // of the stretch in which ports has applied so far
		ports  artifact.PortSet
	)
	emit := func(high netip.Addr) {
		for _, p := range ports {
			out = appendPort(appendAddr(out, low), p.Protocol, p.Low)
			out = appendPort(appendAddr(out, high), p.Protocol, p.High)
		}
	}
	for i := 0; i < len(edges); {
		at := edges[i].at
		for ; i < len(edges) && edges[i].at == at; i++ {
			active[edges[i].item] += edges[i].step
		}
		var sets []artifact.PortSet
		for j, n := range active {
			if n > 0 {
				sets = append(sets, items[j].ports)
			}
		}
		now := unionPorts(sets...)
		if slices.Equal(now, ports) {
			continue
		}
		if len(ports) > 0 {
			emit(at.Prev())
		}
		low, ports = at, now
	}
	if len(ports) > 0 {
		high := low.AsSlice()
		for i := range high {
			high[i] = 0xff
		}
		h, _ := netip.AddrFromSlice(high)
		emit(h)
	}
	return sortKeys(out, 2*(fam.addrLen()+portsLen))
}
