package probe

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/internal/testbed/netns"
)

var (
	near = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	far  = []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")}
	// Routed to the far side, which discards it silently.
	nowhere = []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:1::1")}
)

// wire returns two namespaces with a cable between them.
func wire(t testing.TB) (a, b *netns.Namespace) {
	t.Helper()
	a, err := netns.New()
	if err != nil {
		t.Skipf("needs CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() { a.Close() })
	if b, err = netns.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ha, err := netlink.NewHandleAt(vnetns.NsHandle(a.FD()))
	must(err)
	defer ha.Close()
	hb, err := netlink.NewHandleAt(vnetns.NsHandle(b.FD()))
	must(err)
	defer hb.Close()
	must(ha.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(b.FD()),
	}))
	for _, end := range []struct {
		ns    *netns.Namespace
		h     *netlink.Handle
		addrs []netip.Addr
		via   []netip.Addr
	}{{a, ha, near, far}, {b, hb, far, nil}} {
		must(end.ns.SetSysctl("net/ipv4/icmp_ratemask", "0"))
		must(end.ns.SetSysctl("net/ipv6/icmp/ratemask", "255"))
		for _, name := range []string{"lo", "eth0"} {
			l, err := end.h.LinkByName(name)
			must(err)
			must(end.h.LinkSetUp(l))
			if name == "lo" {
				continue
			}
			for i, addr := range end.addrs {
				bits := []int{24, 64}[i]
				ipnet, err := netlink.ParseIPNet(fmt.Sprintf("%v/%d", addr, bits))
				must(err)
				must(end.h.AddrAdd(l, &netlink.Addr{IPNet: ipnet, Flags: 0x02})) // IFA_F_NODAD
			}
			for i := range nowhere {
				dst, err := netlink.ParseIPNet(fmt.Sprintf("%v/%d", nowhere[i], nowhere[i].BitLen()))
				must(err)
				r := &netlink.Route{Dst: dst, Type: unix.RTN_BLACKHOLE}
				if end.via != nil {
					r = &netlink.Route{LinkIndex: l.Attrs().Index, Dst: dst, Gw: end.via[i].AsSlice()}
				}
				must(end.h.RouteAdd(r))
			}
		}
	}
	return a, b
}

func station(t testing.TB, ns *netns.Namespace) *Station {
	t.Helper()
	s, err := NewStation(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestOutcomes(t *testing.T) {
	a, b := wire(t)
	sa, sb := station(t, a), station(t, b)
	for _, p := range []uint8{TCP, UDP, SCTP} {
		if err := sb.Listen(b, p, 80); err != nil {
			t.Fatal(err)
		}
	}
	var requests []Request
	var want []Outcome
	for i := range near {
		for _, p := range []uint8{TCP, UDP, SCTP} {
			requests = append(requests,
				Request{near[i], far[i], p, 80},
				Request{near[i], far[i], p, 81},
				Request{near[i], nowhere[i], p, 80},
				Request{near[i], near[i], p, 80})
			want = append(want, Passed, Refused, Dropped, Refused)
		}
		requests = append(requests,
			Request{near[i], far[i], ICMP, 0},
			Request{near[i], nowhere[i], ICMP, 0},
			Request{near[i], near[i], ICMP, 0},
			Request{near[i], far[i], 200, 0},
			Request{near[i], nowhere[i], 200, 0})
		want = append(want, Passed, Dropped, Passed, Refused, Dropped)
	}
	requests = append(requests, Request{near[0], far[1], TCP, 80})
	want = append(want, Error)
	for i, r := range sa.Run(t.Context(), requests, Options{}) {
		if r.Outcome != want[i] {
			t.Errorf("%+v: %v (%v), want %v", requests[i], r.Outcome, r.Err, want[i])
		}
		if r.Outcome.LetThrough() && r.Attempts != 1 {
			t.Logf("%+v: %d attempts", requests[i], r.Attempts)
		}
	}
}

// Without a station in the destination the kernel itself says that it does
// not know the protocol.
func TestSCTPWithoutStation(t *testing.T) {
	a, _ := wire(t)
	sa := station(t, a)
	for i := range near {
		r := sa.Run(t.Context(), []Request{{near[i], far[i], SCTP, 80}}, Options{})[0]
		if r.Outcome != Refused {
			t.Errorf("%v: %v (%v), want refused", far[i], r.Outcome, r.Err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	a, b := wire(t)
	sa := station(t, a)
	station(t, b)
	n := 20000
	if testing.Short() {
		n = 2000
	}
	requests := make([]Request, n)
	for i := range requests {
		f := i % 2
		requests[i] = Request{near[f], far[f], []uint8{TCP, UDP, SCTP, ICMP}[i/2%4], uint16(i)}
		if i%10 == 0 {
			requests[i].Dst = nowhere[f]
		}
	}
	start := time.Now()
	results := sa.Run(t.Context(), requests, Options{})
	t.Logf("%d probes in %v", n, time.Since(start))
	retries := 0
	for i, r := range results {
		if got := r.Outcome.LetThrough(); got != (i%10 != 0) {
			t.Errorf("%+v: %v (%v)", requests[i], r.Outcome, r.Err)
		} else if got {
			retries += r.Attempts - 1
		}
	}
	t.Logf("%d packets were sent again", retries)
}
