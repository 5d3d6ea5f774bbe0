package nft

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"sort"

	"github.com/sluice-net/sluice/internal/artifact"
)

// portsLen is the size of a protocol and a port in a key:
//
//	offset  size  field
//	0       1     protocol, then 3 bytes of zero
//	4       2     port, big-endian, then 2 bytes of zero
const portsLen = 8

func appendAddr(b []byte, a netip.Addr) []byte { return append(b, a.AsSlice()...) }

func appendPort(b []byte, protocol uint8, port uint16) []byte {
	b = append(b, protocol, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, port)
	return append(b, 0, 0)
}

// keyTable sorts elements of one width that lie one after the other.
type keyTable struct {
	b, tmp []byte
	width  int
}

func (k keyTable) at(i int) []byte    { return k.b[i*k.width : (i+1)*k.width] }
func (k keyTable) Len() int           { return len(k.b) / k.width }
func (k keyTable) Less(i, j int) bool { return bytes.Compare(k.at(i), k.at(j)) < 0 }
func (k keyTable) Swap(i, j int) {
	copy(k.tmp, k.at(i))
	copy(k.at(i), k.at(j))
	copy(k.at(j), k.tmp)
}

// sortKeys sorts b in place, drops duplicates and returns the rest of b.
func sortKeys(b []byte, width int) []byte {
	k := keyTable{b: b, tmp: make([]byte, width), width: width}
	if !sort.IsSorted(k) {
		sort.Sort(k)
	}
	n := 0
	for i := range k.Len() {
		if n == 0 || !bytes.Equal(k.at(i), k.at(n-1)) {
			copy(k.at(n), k.at(i))
			n++
		}
	}
	return b[:n*width]
}

// mergeKeys returns the elements that are in any of the sorted lists, sorted.
func mergeKeys(lists [][]byte, width int) []byte {
	switch len(lists) {
	case 0:
		return nil
	case 1:
		return lists[0]
	}
	half := len(lists) / 2
	a, b := mergeKeys(lists[:half], width), mergeKeys(lists[half:], width)
	out := make([]byte, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		c := bytes.Compare(a[:width], b[:width])
		if c <= 0 {
			out = append(out, a[:width]...)
			a = a[width:]
		} else {
			out = append(out, b[:width]...)
		}
		if c >= 0 {
			b = b[width:]
		}
	}
	return append(append(out, a...), b...)
}

// unionPorts returns the ports that are in any of the sets, in the canonical
// form of artifact.PortSet. None of the sets is the set of all ports.
func unionPorts(sets ...artifact.PortSet) artifact.PortSet {
	if len(sets) == 1 {
		return sets[0]
	}
	all := slices.Concat(sets...)
	slices.SortFunc(all, func(a, b artifact.PortRange) int {
		return bytes.Compare(appendPort(nil, a.Protocol, a.Low), appendPort(nil, b.Protocol, b.Low))
	})
	out := all[:0]
	for _, r := range all {
		if n := len(out) - 1; n >= 0 && out[n].Protocol == r.Protocol && int(r.Low) <= int(out[n].High)+1 {
			out[n].High = max(out[n].High, r.High)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// countPorts returns the number of single ports in the set.
func countPorts(s artifact.PortSet) int {
	n := 0
	for _, r := range s {
		n += int(r.High) - int(r.Low) + 1
	}
	return n
}

// appendPorts appends prefix and port, for every single port of the set.
func appendPorts(b, prefix []byte, s artifact.PortSet) []byte {
	for _, r := range s {
		for p := int(r.Low); p <= int(r.High); p++ {
			b = append(b, prefix...)
			b = appendPort(b, r.Protocol, uint16(p))
		}
	}
	return b
}

// portsKey identifies a port set.
func portsKey(s artifact.PortSet) string {
	b := make([]byte, 0, 5*len(s))
	for _, r := range s {
		b = append(b, r.Protocol)
		b = binary.BigEndian.AppendUint16(b, r.Low)
		b = binary.BigEndian.AppendUint16(b, r.High)
	}
	return string(b)
}
