package nft

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/internal/artifact"
)

// rectangles covers exactly the items, and none of its elements overlap.
func TestRectangles(t *testing.T) {
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{0, 0, 0, byte(i)}) }
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 4))
		var items []blockPorts
		for range 1 + r.IntN(5) {
			var it blockPorts
			for at := r.IntN(200); at < 255; at += 2 + r.IntN(60) {
				high := min(255, at+r.IntN(40))
				it.ranges = append(it.ranges, artifact.AddrRange{Low: addr(at), High: addr(high)})
				at = high
			}
			low := uint16(r.IntN(8))
			it.ports = artifact.PortSet{{Protocol: 6, Low: low, High: low + uint16(r.IntN(4))}}
			items = append(items, it)
		}
		// The last address of all.
		items = append(items, blockPorts{
			[]artifact.AddrRange{{Low: netip.MustParseAddr("255.255.255.250"), High: netip.MustParseAddr("255.255.255.255")}},
			artifact.PortSet{{Protocol: 17, Low: 0, High: 65535}},
		})
		els := rectangles(IPv4, items)
		count := func(a netip.Addr, proto uint8, port uint16) int {
			key := appendPort(appendAddr(nil, a), proto, port)
			n := 0
			for e := els; len(e) > 0; e = e[24:] {
				in := true
				for _, f := range [][2]int{{0, 4}, {4, 8}, {8, 12}} {
					k := key[f[0]:f[1]]
					in = in && bytes.Compare(e[f[0]:f[1]], k) <= 0 && bytes.Compare(k, e[12+f[0]:12+f[1]]) <= 0
				}
				if in {
					n++
				}
			}
			return n
		}
		want := func(a netip.Addr, proto uint8, port uint16) int {
			for _, it := range items {
				if artifact.Block(it.ranges).Contains(a) && it.ports.Contains(proto, port) {
					return 1
				}
			}
			return 0
		}
		for i := range 256 {
			for port := range uint16(12) {
				if got, exp := count(addr(i), 6, port), want(addr(i), 6, port); got != exp {
					t.Fatalf("seed %d: %v port %d is in %d elements, want %d", seed, addr(i), port, got, exp)
				}
			}
		}
		if last := netip.MustParseAddr("255.255.255.255"); count(last, 17, 65535) != 1 {
			t.Fatalf("seed %d: the last address is missing", seed)
		}
	}
}

func TestKeys(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		random := func() []byte {
			var b []byte
			for range r.IntN(700) {
				b = append(b, 0, byte(r.IntN(4)), 0, byte(r.IntN(256)))
			}
			return sortKeys(b, 4)
		}
		has := func(b, k []byte) bool {
			for ; len(b) > 0; b = b[4:] {
				if bytes.Equal(b[:4], k) {
					return true
				}
			}
			return false
		}
		a, b := random(), random()
		if r.IntN(2) == 0 { // mostly equal
			b = mergeKeys([][]byte{a, {0, 9, 9, 9}}, 4)
		}
		union := mergeKeys([][]byte{a, b, nil, a}, 4)
		if !bytes.Equal(union, sortKeys(append(bytes.Clone(a), b...), 4)) {
			t.Fatalf("seed %d: merged %v and %v to %v", seed, a, b, union)
		}
		del, add := diffKeys(a, b, 4)
		for k := union; len(k) > 0; k = k[4:] {
			inA, inB := has(a, k[:4]), has(b, k[:4])
			if has(add, k[:4]) != (inA && !inB) || has(del, k[:4]) != (inB && !inA) {
				t.Fatalf("seed %d: difference of %v and %v is -%v +%v", seed, a, b, del, add)
			}
		}
	}
}

func TestUnionPorts(t *testing.T) {
	got := unionPorts(
		artifact.PortSet{{Protocol: 6, Low: 80, High: 90}, {Protocol: 17, Low: 53, High: 53}},
		artifact.PortSet{{Protocol: 6, Low: 0, High: 79}, {Protocol: 6, Low: 92, High: 65535}},
		artifact.PortSet{{Protocol: 6, Low: 85, High: 88}, {Protocol: 132, Low: 53, High: 53}},
	)
	want := artifact.PortSet{{Protocol: 6, Low: 0, High: 90}, {Protocol: 6, Low: 92, High: 65535}, {Protocol: 17, Low: 53, High: 53}, {Protocol: 132, Low: 53, High: 53}}
	if portsKey(got) != portsKey(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
