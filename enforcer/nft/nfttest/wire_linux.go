package nfttest

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Wire is a router in a network namespace of its own, between two veth pairs,
// for measurements: frames that go in at one end leave at the other.
type Wire struct {
	ns    netns.NsHandle
	ct    *netlink.Handle
	ends  [2]int    // packet sockets of the far ends
	peers [2]string // names of the far ends' interfaces
	mac   [2]net.HardwareAddr
}

// NewWire makes a router, in which setup runs. The far ends stay in the
// goroutine's namespace, which has to be one of the test's.
func NewWire(t testing.TB, name string, setup func()) *Wire {
	t.Helper()
	here, err := netns.Get()
	must(t, "namespace", err)
	defer func() { must(t, "restore namespace", netns.Set(here)) }()
	w := &Wire{}
	w.ns, err = netns.New()
	must(t, "new namespace", err)
	t.Cleanup(func() { _ = w.ns.Close() })
	Sysctl(t, "net/ipv4/ip_forward", "1")
	for i := range w.ends {
		w.peers[i] = fmt.Sprintf("%s-%d", name, i)
		near := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("r%d", i)},
			PeerName:  w.peers[i], PeerNamespace: netlink.NsFd(here),
		}
		must(t, "add veth", netlink.LinkAdd(near))
		link, err := netlink.LinkByName(near.Name)
		must(t, "find veth", err)
		w.mac[i] = link.Attrs().HardwareAddr
		must(t, "veth up", netlink.LinkSetUp(link))
		must(t, "address", netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(169, 254, byte(i), 1), Mask: net.CIDRMask(24, 32)}}))
		// Nobody has this hardware address: the far end drops the frames early.
		gateway := net.IPv4(169, 254, byte(i), 2)
		must(t, "neighbour", netlink.NeighAdd(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: gateway,
			HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 9, byte(i)},
		}))
		Sysctl(t, "net/ipv4/conf/"+near.Name+"/rp_filter", "0")
		// Remote pods are beyond end 0, local ones beyond end 1.
		_, dst, _ := net.ParseCIDR([]string{"10.2.0.0/15", "10.1.0.0/16"}[i])
		must(t, "route", netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: gateway, LinkIndex: link.Attrs().Index}))
	}
	Sysctl(t, "net/ipv4/conf/all/rp_filter", "0")
	setup()
	w.ct, err = netlink.NewHandleAt(w.ns, unix.NETLINK_NETFILTER)
	must(t, "conntrack handle", err)
	must(t, "back", netns.Set(here))
	for i := range w.ends {
		link, err := netlink.LinkByName(w.peers[i])
		must(t, "find far end", err)
		must(t, "far end up", netlink.LinkSetUp(link))
		w.ends[i], err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		must(t, "packet socket", err)
		t.Cleanup(func() { _ = unix.Close(w.ends[i]) })
		must(t, "bind packet socket", unix.Bind(w.ends[i], &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index}))
		const packetQdiscBypass = 20 // linux/if_packet.h
		must(t, "bypass qdisc", unix.SetsockoptInt(w.ends[i], unix.SOL_PACKET, packetQdiscBypass, 1))
	}
	return w
}

// Frames returns the packets with Ethernet headers, to be sent at end 0 or 1.
func (w *Wire) Frames(end int, packets []Packet) [][]byte {
	out := make([][]byte, len(packets))
	for i, p := range packets {
		f := append([]byte(nil), w.mac[end]...)
		f = append(f, 2, 0, 0, 0, 8, byte(end), 8, 0)
		out[i] = append(f, p.bytes()...)
	}
	return out
}

// Replies returns the frames that answer those sent at end 0, for end 1.
func (w *Wire) Replies(frames [][]byte) [][]byte {
	out := make([][]byte, len(frames))
	for i, f := range frames {
		r := append([]byte(nil), f...)
		copy(r, w.mac[1])
		ip := r[14:]
		copy(ip[12:16], f[14+16:14+20])
		copy(ip[16:20], f[14+12:14+16])
		copy(ip[20:22], f[14+22:14+24])
		copy(ip[22:24], f[14+20:14+22]) // sums are the same in another order
		out[i] = r
	}
	return out
}

// Send sends frames at an end, as fast as they are forwarded.
func (w *Wire) Send(t testing.TB, end int, frames [][]byte) {
	fd := w.ends[end]
	for _, f := range frames {
		for {
			_, err := unix.Write(fd, f)
			if err == nil {
				break
			}
			if !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
				t.Fatalf("send: %v", err)
			}
		}
	}
}

// Arrived returns how many frames have come out at an end so far.
func (w *Wire) Arrived(t testing.TB, end int) uint64 {
	t.Helper()
	link, err := netlink.LinkByName(w.peers[end])
	must(t, "far end", err)
	return link.Attrs().Statistics.RxPackets
}

// Forget makes the router forget its connections.
func (w *Wire) Forget(t testing.TB) {
	t.Helper()
	must(t, "flush conntrack", w.ct.ConntrackTableFlush(netlink.ConntrackTable))
}

// In runs f in the router's namespace.
func (w *Wire) In(t testing.TB, f func()) {
	t.Helper()
	here, err := netns.Get()
	must(t, "namespace", err)
	must(t, "enter namespace", netns.Set(w.ns))
	defer func() { must(t, "restore namespace", netns.Set(here)) }()
	f()
}
