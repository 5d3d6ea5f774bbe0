package testbed

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/internal/testbed/netns"
	"github.com/sluice-net/sluice/internal/testbed/probe"
)

// Host is anything that has a network namespace of its own: a node, a pod, or
// the outside.
type Host struct {
	Name      string // "namespace/name" of a pod
	Addresses []netip.Addr

	ns      *netns.Namespace
	mu      sync.Mutex
	station *probe.Station // nil until it is asked for
}

// newHost makes a namespace with its loopback up and with the given sysctls
// on top of those that every host has.
func newHost(name string, sysctls map[string]string) (*Host, error) {
	ns, err := netns.New()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	h := &Host{Name: name, ns: ns}
	all := map[string]string{
		// Probes count on every port unreachable being told.
		"net/ipv4/icmp_ratemask":  "0",
		"net/ipv6/icmp/ratemask":  "255",
		"net/ipv6/icmp/ratelimit": "0",
		// New namespaces inherit these from the machine.
		"net/ipv4/conf/all/rp_filter":     "0",
		"net/ipv4/conf/default/rp_filter": "0",
		// Waiting a second for duplicates of addresses that we handed out
		// ourselves is of no use.
		"net/ipv6/conf/default/accept_dad": "0",
		"net/ipv6/conf/default/accept_ra":  "0",
	}
	for k, v := range sysctls {
		all[k] = v
	}
	for k, v := range all {
		if err := ns.SetSysctl(k, v); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), h.close())
		}
	}
	err = h.netlink(func(nl *netlink.Handle) error {
		lo, err := nl.LinkByName("lo")
		if err != nil {
			return err
		}
		return nl.LinkSetUp(lo)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: loopback: %w", name, err), h.close())
	}
	return h, nil
}

// Do runs fn with its goroutine in the host's namespace, see netns.Namespace.Do.
func (h *Host) Do(fn func() error) error { return h.ns.Do(fn) }

// Net is the host's network namespace.
func (h *Host) Net() *netns.Namespace { return h.ns }

// Address returns the host's first address of the family of like.
func (h *Host) Address(like netip.Addr) (netip.Addr, bool) {
	a := sameFamily(h.Addresses, like)
	return a, a.IsValid()
}

// sameFamily returns the first address of the family of like, or an invalid
// one.
func sameFamily(addrs []netip.Addr, like netip.Addr) netip.Addr {
	for _, a := range addrs {
		if a.Is4() == like.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// Station returns the host's probe station, which opens with the first call.
func (h *Host) Station() (*probe.Station, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.station != nil {
		return h.station, nil
	}
	s, err := probe.NewStation(h.ns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	h.station = s
	return s, nil
}

// Listen makes somebody listen on a port of the host.
func (h *Host) Listen(p Port) error {
	s, err := h.Station()
	if err != nil {
		return err
	}
	if err := s.Listen(h.ns, p.Protocol, p.Number); err != nil {
		return fmt.Errorf("%s: listen on port %d of protocol %d: %w", h.Name, p.Number, p.Protocol, err)
	}
	return nil
}

// netlink runs fn with a netlink handle of the host's namespace.
func (h *Host) netlink(fn func(*netlink.Handle) error) error {
	nl, err := netlink.NewHandleAt(vnetns.NsHandle(h.ns.FD()), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer nl.Close()
	return fn(nl)
}

// close gives up the namespace and the sockets in it, which would keep it
// alive.
func (h *Host) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var err error
	if h.station != nil {
		err = h.station.Close()
	}
	return errors.Join(err, h.ns.Close())
}

// prefix returns a with a prefix length in the form that netlink wants.
func prefix(a netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}
}

// single returns the prefix that has only a.
func single(a netip.Addr) *net.IPNet { return prefix(a, a.BitLen()) }

// network converts a prefix.
func network(p netip.Prefix) *net.IPNet { return prefix(p.Masked().Addr(), p.Bits()) }

// everything is the prefix of a default route of the family of like.
func everything(like netip.Addr) *net.IPNet {
	if like.Is4() {
		return prefix(netip.IPv4Unspecified(), 0)
	}
	return prefix(netip.IPv6Unspecified(), 0)
}

// addAddr gives a link an address that is usable at once.
func addAddr(nl *netlink.Handle, l netlink.Link, n *net.IPNet) error {
	a := &netlink.Addr{IPNet: n}
	if n.IP.To4() == nil {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := nl.AddrReplace(l, a); err != nil {
		return fmt.Errorf("add address %v to %s: %w", n, l.Attrs().Name, err)
	}
	return nil
}

// settle waits until the kernel takes the addresses for its own: for IPv6 it
// adds the local route some time after the address.
func settle(nl *netlink.Handle, addrs []netip.Addr) error {
	for _, a := range addrs {
		deadline := time.Now().Add(5 * time.Second)
		for {
			routes, err := nl.RouteGet(a.AsSlice())
			if err == nil && len(routes) == 1 && routes[0].Type == unix.RTN_LOCAL {
				break
			}
			if time.Now().After(deadline) {
				return errors.Join(fmt.Errorf("address %v does not come up", a), err)
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// addRoute adds or replaces a route; gw may be invalid.
func addRoute(nl *netlink.Handle, l netlink.Link, dst *net.IPNet, gw netip.Addr) error {
	r := &netlink.Route{LinkIndex: l.Attrs().Index, Dst: dst, Scope: netlink.SCOPE_LINK}
	if gw.IsValid() {
		r.Gw, r.Scope, r.Flags = gw.AsSlice(), netlink.SCOPE_UNIVERSE, int(netlink.FLAG_ONLINK)
	}
	if err := nl.RouteReplace(r); err != nil {
		return fmt.Errorf("add route to %v by %s: %w", dst, l.Attrs().Name, err)
	}
	return nil
}
