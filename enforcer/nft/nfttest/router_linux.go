package nfttest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The protocols that a Router sends. Experimental has no ports.
const (
	ICMP         = 1
	ICMPv6       = 58
	Experimental = 253
)

// Router is a network namespace that forwards every packet that Send puts in:
// all addresses but its own are beyond one TUN device.
type Router struct {
	t    testing.TB
	tun  int
	raw  []rawSocket // receive what reaches the router itself
	own  map[netip.Addr]bool
	seen map[uint16]bool
}

type rawSocket struct {
	fd       int
	protocol uint8
	v6       bool
}

// Packet is the first packet of a connection.
type Packet struct {
	Src, Dst netip.Addr
	Protocol uint8
	Port     uint16 // for protocols with ports
	ID       uint16 // tells connections apart; not 0
}

// NewRouter moves the goroutine to a new namespace with a router that has the
// addresses.
func NewRouter(t testing.TB, addrs ...netip.Addr) *Router {
	t.Helper()
	Namespace(t)
	r := &Router{t: t, own: map[netip.Addr]bool{}, seen: map[uint16]bool{}}
	r.tun = openTUN(t, "tun0")
	t.Cleanup(func() { _ = unix.Close(r.tun) })
	for name, value := range map[string]string{
		"net/ipv4/ip_forward":                  "1",
		"net/ipv6/conf/all/forwarding":         "1",
		"net/ipv4/conf/all/rp_filter":          "0",
		"net/ipv4/conf/tun0/rp_filter":         "0",
		"net/ipv4/conf/all/send_redirects":     "0",
		"net/ipv4/conf/tun0/send_redirects":    "0",
		"net/ipv6/conf/tun0/accept_dad":        "0",
		"net/ipv6/conf/tun0/addr_gen_mode":     "1",
		"net/ipv4/conf/tun0/accept_local":      "1",
		"net/ipv4/icmp_echo_ignore_broadcasts": "1",
	} {
		Sysctl(t, name, value)
	}
	link, err := netlink.LinkByName("tun0")
	if err != nil {
		t.Fatal(err)
	}
	must(t, "set tun0 up", netlink.LinkSetUp(link))
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	must(t, "set lo up", netlink.LinkSetUp(lo))
	for _, a := range addrs {
		r.own[a] = true
		must(t, "add address", netlink.AddrAdd(link, &netlink.Addr{
			IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}, Flags: unix.IFA_F_NODAD,
		}))
	}
	for _, dst := range []string{"0.0.0.0/0", "::/0"} {
		_, all, _ := net.ParseCIDR(dst)
		must(t, "add route", netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: all}))
	}
	for _, p := range []uint8{ICMP, ICMPv6, unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_SCTP, Experimental} {
		if p != ICMPv6 {
			r.listen(unix.AF_INET, p)
		}
		if p != ICMP {
			r.listen(unix.AF_INET6, p)
		}
	}
	return r
}

func (r *Router) listen(family int, protocol uint8) {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(protocol))
	must(r.t, "open raw socket", err)
	r.t.Cleanup(func() { _ = unix.Close(fd) })
	r.raw = append(r.raw, rawSocket{fd, protocol, family == unix.AF_INET6})
}

// Sysctl sets a variable in the goroutine's network namespace.
func Sysctl(t testing.TB, name, value string) {
	t.Helper()
	must(t, "set "+name, os.WriteFile("/proc/sys/"+name, []byte(value), 0o644))
}

func must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func openTUN(t testing.TB, name string) int {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("needs a TUN device: %v", err)
	}
	req, err := unix.NewIfreq(name)
	must(t, "interface name", err)
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	must(t, "make TUN device", unix.IoctlIfreq(fd, unix.TUNSETIFF, req))
	return fd
}

// Send puts packets in and returns the identifiers of those that arrived: left
// the router again, or reached the router itself.
func (r *Router) Send(packets []Packet) map[uint16]bool {
	r.t.Helper()
	r.seen = make(map[uint16]bool)
	const burst = 64 // the device's queue holds 500
	for i, p := range packets {
		_, err := unix.Write(r.tun, p.bytes())
		must(r.t, fmt.Sprintf("send %v", p), err)
		if i%burst == burst-1 {
			r.receive()
		}
	}
	for range 3 {
		time.Sleep(5 * time.Millisecond)
		r.receive()
	}
	return r.seen
}

// receive reads all that has arrived so far.
func (r *Router) receive() {
	r.read(r.tun, func(b []byte) {
		src, protocol, body := splitIP(b)
		if !r.own[src] { // not an answer of the router itself
			r.note(protocol, body)
		}
	})
	for _, s := range r.raw {
		r.read(s.fd, func(b []byte) {
			if !s.v6 {
				_, _, b = splitIP(b)
			}
			r.note(s.protocol, b)
		})
	}
}

func (r *Router) read(fd int, each func([]byte)) {
	buf := make([]byte, 2048)
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EAGAIN) {
			return
		}
		must(r.t, "receive", err)
		each(buf[:n])
	}
}

func (r *Router) note(protocol uint8, body []byte) {
	offset := 0
	if protocol == ICMP || protocol == ICMPv6 {
		offset = 4
	}
	if len(body) >= offset+2 {
		r.seen[binary.BigEndian.Uint16(body[offset:])] = true
	}
}

func splitIP(b []byte) (src netip.Addr, protocol uint8, body []byte) {
	if b[0]>>4 == 4 {
		src, _ = netip.AddrFromSlice(b[12:16])
		return src, b[9], b[20:]
	}
	src, _ = netip.AddrFromSlice(b[8:24])
	return src, b[6], b[40:]
}

// bytes returns the packet with valid checksums, where conntrack checks them.
func (p Packet) bytes() []byte {
	body := p.transport()
	src, dst := p.Src.AsSlice(), p.Dst.AsSlice()
	if p.Src.Is4() {
		h := make([]byte, 20)
		h[0], h[8], h[9] = 0x45, 64, p.Protocol
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(body)))
		binary.BigEndian.PutUint16(h[4:], p.ID)
		copy(h[12:], src)
		copy(h[16:], dst)
		binary.BigEndian.PutUint16(h[10:], checksum(0, h))
		return append(h, body...)
	}
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, p.Protocol, 64
	binary.BigEndian.PutUint16(h[4:], uint16(len(body)))
	copy(h[8:], src)
	copy(h[24:], dst)
	return append(h, body...)
}

func (p Packet) transport() []byte {
	pseudo := func(b []byte) uint32 {
		return sum(sum(uint32(p.Protocol)+uint32(len(b)), p.Src.AsSlice()), p.Dst.AsSlice())
	}
	ports := func(n int) []byte {
		b := make([]byte, n)
		binary.BigEndian.PutUint16(b, p.ID)
		binary.BigEndian.PutUint16(b[2:], p.Port)
		return b
	}
	switch p.Protocol {
	case ICMP, ICMPv6:
		b := make([]byte, 8)
		b[0] = 8
		start := uint32(0)
		if p.Protocol == ICMPv6 {
			b[0] = 128
			start = pseudo(b)
		}
		binary.BigEndian.PutUint16(b[4:], p.ID)
		binary.BigEndian.PutUint16(b[2:], checksum(start, b))
		return b
	case unix.IPPROTO_TCP: // SYN
		b := ports(20)
		b[12], b[13], b[14] = 5<<4, 2, 0xff
		binary.BigEndian.PutUint16(b[16:], checksum(pseudo(b), b))
		return b
	case unix.IPPROTO_UDP:
		b := ports(8)
		b[5] = 8
		binary.BigEndian.PutUint16(b[6:], checksum(pseudo(b), b))
		return b
	case unix.IPPROTO_SCTP: // INIT
		b := ports(32)
		b[12], b[15] = 1, 20
		binary.BigEndian.PutUint32(b[16:], 1)
		b[21], b[25], b[27] = 0xff, 1, 1
		binary.LittleEndian.PutUint32(b[8:], crc32c(b))
		return b
	default:
		b := make([]byte, 8)
		binary.BigEndian.PutUint16(b, p.ID)
		return b
	}
}
