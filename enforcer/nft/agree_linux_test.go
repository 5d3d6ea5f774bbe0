package nft_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/enforcer/nft"
	"github.com/sluice-net/sluice/enforcer/nft/nfttest"
	"github.com/sluice-net/sluice/internal/artifact"
)

// probes are ports of each protocol; for the others one packet is sent.
var probes = []struct {
	protocol uint8
	ports    []uint16
}{
	{6, []uint16{80, 82, 443, 8080, 31000, 53, 65535}},
	{17, []uint16{53, 7, 80}},
	{132, []uint16{9, 80}},
	{nfttest.ICMP, []uint16{0}},
	{nfttest.Experimental, []uint16{0}},
}

// outside are addresses that no endpoint of the rulesets has.
var outside = []string{
	"192.0.2.5", "192.0.2.200", "198.51.100.7", "8.8.8.8", "10.244.2.200", "10.99.1.1",
	"2001:db8:1::5", "2001:db8:2::5", "2001:db8:3::7", "2600::1", "fd44:2::200",
}

// unknown are addresses in the range of node n1 that no pod has.
var unknown = []string{"10.244.1.200", "fd44:1::200"}

// The kernel decides as artifact.Decide does: for every pair of ends of which
// one is at the node, protocol and port.
func TestKernelAgrees(t *testing.T) {
	r := nfttest.NewRouter(t, netip.MustParseAddr("172.16.0.1"), netip.MustParseAddr("fd16::1"))
	k := open(t, "n1", nft.Options{})
	for seed := range uint64(12) {
		rs := everything(t)
		if seed > 0 {
			rs = nfttest.Random(t, seed*5)
		}
		if _, err := k.Sync(t.Context(), rs); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		agree(t, fmt.Sprintf("seed %d", seed), r, rs)
	}
}

// Whatever is folded and whatever is not, the meaning is the same.
func TestKernelAgreesFolding(t *testing.T) {
	r := nfttest.NewRouter(t, netip.MustParseAddr("172.16.0.1"), netip.MustParseAddr("fd16::1"))
	k := open(t, "n1", nft.Options{})
	for i, lim := range [][4]int{
		{0, 1000, 1000, 1000}, // fold all
		{100, 64, 1000, 1000}, // fold nothing
		{1, 4, 10, 1000},      // fold some
		{2, 1, 1000, 0},       // no unions
	} {
		for seed := range uint64(4) {
			rs := everything(t)
			if seed > 0 {
				rs = nfttest.Random(t, 100+seed*5)
			}
			table, err := nft.RenderFolding(rs, "n1", lim[0], lim[1], lim[2], lim[3])
			if err != nil {
				t.Fatal(err)
			}
			if _, err := k.Apply(t.Context(), table); err != nil {
				t.Fatalf("limits %v seed %d: %v", lim, seed, err)
			}
			agree(t, fmt.Sprintf("limits %d seed %d", i, seed), r, rs)
		}
	}
}

func agree(t *testing.T, what string, r *nfttest.Router, rs *artifact.Ruleset) {
	t.Helper()
	res := artifact.NewResolver(rs)
	const allowed, denied = 1, 0
	var want [2]int
	for _, v6 := range []bool{false, true} {
		cases := flows(rs, res, v6)
		for len(cases) > 0 {
			const most = 60000 // identifiers have 16 bits
			batch := cases[:min(most, len(cases))]
			cases = cases[len(batch):]
			packets := make([]nfttest.Packet, len(batch))
			for i, f := range batch {
				packets[i] = nfttest.Packet{Src: f.Src.Addr, Dst: f.Dst.Addr, Protocol: f.Protocol, Port: f.Port, ID: uint16(i + 1)}
			}
			nfttest.FlushConntrack(t)
			seen := r.Send(packets)
			for i, f := range batch {
				exp := expected(rs, f)
				if exp {
					want[allowed]++
				} else {
					want[denied]++
				}
				if got := seen[uint16(i+1)]; got != exp {
					t.Errorf("%s: %v -> %v protocol %d port %d: kernel lets it pass: %v; Decide: %v", what, f.Src.Addr, f.Dst.Addr, f.Protocol, f.Port, got, exp)
				}
			}
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	t.Logf("%s: %d connections allowed, %d denied", what, want[allowed], want[denied])
}

// flows returns the connection attempts of one family that pass the node.
func flows(rs *artifact.Ruleset, res *artifact.Resolver, v6 bool) []artifact.Flow {
	var ends []artifact.End
	add := func(a netip.Addr) {
		if a.Is6() == v6 {
			ends = append(ends, res.Addr(a))
		}
	}
	for _, e := range rs.Membership.Endpoints {
		for _, a := range e.Addresses {
			add(a)
		}
	}
	for _, n := range rs.Membership.Nodes {
		for _, a := range n.Addresses {
			add(a)
		}
	}
	for _, s := range append(outside, unknown...) {
		add(netip.MustParseAddr(s))
	}
	var out []artifact.Flow
	for _, src := range ends {
		for _, dst := range ends {
			// The node's own packets pass no hook of ours; nor does what stays
			// in a pod. Replies to a connection attempt are not one.
			if src.Node == 0 || src.Addr == dst.Addr {
				continue
			}
			for _, p := range probes {
				if p.protocol == nfttest.Experimental && src.Addr.Compare(dst.Addr) > 0 {
					continue // conntrack takes it for the reply
				}
				proto := p.protocol
				if proto == nfttest.ICMP && v6 {
					proto = nfttest.ICMPv6
				}
				for _, port := range p.ports {
					out = append(out, artifact.Flow{Src: src, Dst: dst, Protocol: proto, Port: port})
				}
			}
		}
	}
	return out
}

// expected is what node n1 should do: ask for its own pods.
func expected(rs *artifact.Ruleset, f artifact.Flow) bool {
	for _, s := range unknown {
		if a := netip.MustParseAddr(s); a == f.Src.Addr || a == f.Dst.Addr {
			// Nothing is delivered to the node from them, nor through it.
			return false
		}
	}
	local := func(e artifact.End) bool {
		return e.Endpoint >= 0 && rs.Membership.Endpoints[e.Endpoint].Node == 0
	}
	res := rs.Decide(f)
	ok := true
	if local(f.Src) && res.Egress != nil {
		ok = ok && res.Egress.Verdict == artifact.Allow
	}
	if local(f.Dst) && res.Ingress != nil {
		ok = ok && res.Ingress.Verdict == artifact.Allow
	}
	return ok
}
