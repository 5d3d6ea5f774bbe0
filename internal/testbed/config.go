package testbed

import (
	"errors"
	"fmt"
	"net/netip"
)

// Families is a set of IP families.
type Families uint8

// The families.
const (
	IPv4      Families = 1 << iota
	IPv6      Families = 1 << iota
	DualStack          = IPv4 | IPv6
)

// has reports whether the address's family is in the set.
func (f Families) has(a netip.Addr) bool {
	if a.Is4() {
		return f&IPv4 != 0
	}
	return f&IPv6 != 0
}

// Wiring says who connects pods to their node. The zero value is invalid.
type Wiring uint8

// The wirings.
const (
	// CNI calls the reference plugins ptp and host-local.
	CNI Wiring = iota + 1
	// Plain makes the same links without any plugin, many times faster and
	// with whatever addresses the caller wants: a veth pair, routes, and
	// permanent neighbour entries instead of a gateway address.
	Plain
)

// Config describes a cluster. The zero value is three dual-stack nodes called
// node-1 to node-3 with CNI wiring, which needs Plugins.
type Config struct {
	Nodes    []NodeConfig // three if empty
	Families Families     // DualStack if zero
	Wiring   Wiring       // CNI if zero
	// Plugins is the directory of the CNI plugins, for CNI.
	Plugins string
	// Outside lists blocks all of whose addresses the outside host answers
	// for, besides its own.
	Outside []netip.Prefix
	// NoPodRoutes leaves the routes to other nodes' pods to somebody else, an
	// overlay for example.
	NoPodRoutes bool
	MTU         int    // bytes, of the underlay; 1500 if zero
	Dir         string // parent of the temporary directory; the system's if empty
}

// NodeConfig describes a node. What is left out follows from its number.
type NodeConfig struct {
	Name string
	// Addresses are the node's own. Beside others than the plan's it has the
	// plan's as well, for the routes to its pods.
	Addresses []netip.Addr
	PodCIDRs  []netip.Prefix // what host-local assigns from and other nodes route here

	transit []netip.Addr // the plan's addresses
}

// The address plan. Node n has the addresses 10.30.0.n and fd30::n and the pod
// ranges 10.244.n.0/24 and fd00:10:244:n::/64.
var (
	underlay = []netip.Prefix{netip.MustParsePrefix("10.30.0.0/24"), netip.MustParsePrefix("fd30::/64")}
	// gateway is the outside host's end of the underlay.
	gateway = []netip.Addr{netip.MustParseAddr("10.30.0.254"), netip.MustParseAddr("fd30::fe")}
	// world is the outside host's address beyond the underlay.
	world = []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:113::1")}
)

// withDefaults fills in what was left out and refuses what cannot be built.
func (c Config) withDefaults() (Config, error) {
	if len(c.Nodes) == 0 {
		c.Nodes = make([]NodeConfig, 3)
	}
	if c.Families == 0 {
		c.Families = DualStack
	}
	if c.Wiring == 0 {
		c.Wiring = CNI
	}
	if c.Wiring == CNI && c.Plugins == "" {
		return c, errors.New("testbed: CNI wiring needs the directory of the plugins (make cni builds them)")
	}
	if c.MTU == 0 {
		c.MTU = 1500
	}
	if len(c.Nodes) > 200 {
		return c, fmt.Errorf("testbed: %d nodes are more than the address plan has room for", len(c.Nodes))
	}
	nodes := make([]NodeConfig, len(c.Nodes))
	for i, n := range c.Nodes {
		number := i + 1
		n.transit = c.pick(netip.AddrFrom4([4]byte{10, 30, 0, byte(number)}),
			netip.MustParseAddr(fmt.Sprintf("fd30::%x", number)))
		if n.Name == "" {
			n.Name = fmt.Sprintf("node-%d", number)
		}
		if n.Addresses == nil {
			n.Addresses = n.transit
		}
		if n.PodCIDRs == nil {
			if c.Families&IPv4 != 0 {
				n.PodCIDRs = append(n.PodCIDRs, netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", number)))
			}
			if c.Families&IPv6 != 0 {
				n.PodCIDRs = append(n.PodCIDRs, netip.MustParsePrefix(fmt.Sprintf("fd00:10:244:%x::/64", number)))
			}
		}
		nodes[i] = n
	}
	c.Nodes = nodes
	return c, nil
}

// pick returns the addresses whose family the cluster has.
func (c Config) pick(addrs ...netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, a := range addrs {
		if c.Families.has(a) {
			out = append(out, a)
		}
	}
	return out
}

// Port is what a pod listens on.
type Port struct {
	Protocol uint8 // probe.TCP, probe.UDP or probe.SCTP
	Number   uint16
}

// PodSpec describes a pod.
type PodSpec struct {
	Namespace string
	Name      string
	Addresses []netip.Addr // the next free ones if empty
	Listen    []Port
}
