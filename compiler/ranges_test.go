package compiler

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/compiler/ir"
	"github.com/sluice-net/sluice/internal/model"
)

// TestPeerRanges compares the flattened ranges with the prefixes themselves,
// address by address, on a small universe with both families' ends.
func TestPeerRanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, top := range []string{"10.0.0.0/24", "255.255.255.0/24", "0.0.0.0/24", "2001:db8::/120", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120", "::/120"} {
		universe := netip.MustParsePrefix(top)
		for range 300 {
			p := model.Peer{Kind: model.PeerBlock, Block: within(rng, universe)}
			for range rng.IntN(5) {
				p.Except = append(p.Except, within(rng, p.Block))
			}
			got := mergeAddrs(peerRanges(&p))
			for a := universe.Addr(); a.IsValid() && universe.Contains(a); a = a.Next() {
				want := p.Block.Contains(a)
				for _, e := range p.Except {
					want = want && !e.Contains(a)
				}
				has := false
				for _, r := range got {
					has = has || r.Low.Compare(a) <= 0 && a.Compare(r.High) <= 0
				}
				if has != want {
					t.Fatalf("%v except %v: %v in ranges %v is %v", p.Block, p.Except, a, got, has)
				}
			}
		}
	}
}

// within returns a random prefix inside p.
func within(rng *rand.Rand, p netip.Prefix) netip.Prefix {
	a := p.Addr().AsSlice()
	a[len(a)-1] |= byte(rng.IntN(1 << (len(a)*8 - p.Bits())))
	addr, _ := netip.AddrFromSlice(a)
	return netip.PrefixFrom(addr, p.Bits()+rng.IntN(len(a)*8-p.Bits()+1)).Masked()
}

func TestWholeFamily(t *testing.T) {
	all := model.Peer{Kind: model.PeerBlock, Block: netip.MustParsePrefix("::/0"), Except: []netip.Prefix{netip.MustParsePrefix("::/0")}}
	if got := peerRanges(&all); len(got) != 0 {
		t.Errorf("everything except everything: %v", got)
	}
	all.Except = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	if got := peerRanges(&all); len(got) != 1 {
		t.Errorf("an exception of the other family: %v", got)
	}
}

// TestPortRanges compares merging and covering with bits.
func TestPortRanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	random := func() []ir.PortRange {
		var out []ir.PortRange
		for range 1 + rng.IntN(6) {
			low := uint16(rng.IntN(40))
			if rng.IntN(4) == 0 {
				low += 65535 - 45
			}
			out = append(out, ir.PortRange{
				Protocol: []model.Protocol{model.TCP, model.UDP, model.SCTP}[rng.IntN(3)],
				Low:      low, High: low + uint16(rng.IntN(6)),
			})
		}
		return out
	}
	bits := func(rs []ir.PortRange) map[ir.PortRange]bool {
		m := map[ir.PortRange]bool{}
		for _, r := range rs {
			for p := int(r.Low); p <= int(r.High); p++ {
				m[ir.PortRange{Protocol: r.Protocol, Low: uint16(p), High: uint16(p)}] = true
			}
		}
		return m
	}
	for range 20_000 {
		a, b := random(), random()
		wantA, wantB := bits(a), bits(b)
		ma, mb := mergePorts(a), mergePorts(b)
		if got := bits(ma); len(got) != len(wantA) {
			t.Fatalf("%v merged has %d ports, want %d", ma, len(got), len(wantA))
		}
		for i := 1; i < len(ma); i++ {
			if ma[i-1].Protocol == ma[i].Protocol && int(ma[i-1].High)+1 >= int(ma[i].Low) {
				t.Fatalf("%v is not merged", ma)
			}
		}
		covers := true
		for p := range wantB {
			covers = covers && wantA[p]
		}
		if coversPorts(ma, mb) != covers {
			t.Fatalf("%v covers %v: %v", ma, mb, !covers)
		}
	}
}
