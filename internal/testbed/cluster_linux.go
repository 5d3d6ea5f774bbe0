package testbed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Cluster is a running cluster. It is safe for concurrent use.
type Cluster struct {
	Nodes   []*Node
	Outside *Host

	cfg    Config
	dir    *stateDir
	sw     *Host // the switch of the underlay
	ports  int   // of the switch
	window chan struct{}

	mu        sync.Mutex
	pods      map[string]*Pod // by "namespace/name"
	processes map[*Process]struct{}
	wired     int // pods wired so far, for ids that are never used again
	closed    bool
}

// Node is a cluster node.
type Node struct {
	*Host
	PodCIDRs []netip.Prefix
	// Dir is a directory for what the node keeps on disk.
	Dir string

	transit []netip.Addr // what routes to its pods lead by
	cni     *cniNetwork  // nil with plain wiring
}

// New builds a cluster without pods. The caller must Close it; ctx bounds
// building it only.
func New(ctx context.Context, cfg Config) (_ *Cluster, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		cfg:       cfg,
		window:    make(chan struct{}, 1024),
		pods:      make(map[string]*Pod),
		processes: make(map[*Process]struct{}),
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("testbed: %w", err), c.Close())
		}
	}()
	if c.dir, err = newStateDir(cfg.Dir); err != nil {
		return nil, err
	}
	if err := c.buildUnderlay(); err != nil {
		return nil, err
	}
	for _, nc := range cfg.Nodes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := c.addNode(nc); err != nil {
			return nil, fmt.Errorf("%s: %w", nc.Name, err)
		}
	}
	return c, c.addRoutes()
}

// Dir is the cluster's temporary directory.
func (c *Cluster) Dir() string { return c.dir.path }

// Node returns the node called name, or nil.
func (c *Cluster) Node(name string) *Node {
	i := slices.IndexFunc(c.Nodes, func(n *Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return c.Nodes[i]
}

// Pod returns the pod called "namespace/name", or nil.
func (c *Cluster) Pod(name string) *Pod {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pods[name]
}

// Pods returns all pods, sorted by namespace and name.
func (c *Cluster) Pods() []*Pod {
	c.mu.Lock()
	defer c.mu.Unlock()
	pods := make([]*Pod, 0, len(c.pods))
	for _, p := range c.pods {
		pods = append(pods, p)
	}
	slices.SortFunc(pods, func(a, b *Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.PodName, b.PodName))
	})
	return pods
}

// forwarding makes a host a router.
var forwarding = map[string]string{
	"net/ipv4/ip_forward":          "1",
	"net/ipv6/conf/all/forwarding": "1",
}

// buildUnderlay makes the switch and the outside host.
func (c *Cluster) buildUnderlay() (err error) {
	if c.sw, err = newHost("switch", nil); err != nil {
		return err
	}
	err = c.sw.netlink(func(nl *netlink.Handle) error {
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "switch", MTU: c.cfg.MTU}}
		if err := nl.LinkAdd(br); err != nil {
			return fmt.Errorf("add a bridge: %w", err)
		}
		return nl.LinkSetUp(br)
	})
	if err != nil {
		return err
	}
	outside := map[string]string{"net/ipv6/ip_nonlocal_bind": "1"}
	for k, v := range forwarding {
		outside[k] = v
	}
	if c.Outside, err = newHost("outside", outside); err != nil {
		return err
	}
	if err := c.plug(c.Outside, c.cfg.pick(gateway...)); err != nil {
		return err
	}
	c.Outside.Addresses = c.cfg.pick(world...)
	err = c.Outside.netlink(func(nl *netlink.Handle) error {
		lo, err := nl.LinkByName("lo")
		if err != nil {
			return err
		}
		for _, a := range c.Outside.Addresses {
			if err := addAddr(nl, lo, single(a)); err != nil {
				return err
			}
		}
		return settle(nl, c.Outside.Addresses)
	})
	if err != nil {
		return err
	}
	for _, p := range c.cfg.Outside {
		if err := c.AnswerFor(p); err != nil {
			return err
		}
	}
	return nil
}

// AnswerFor makes the outside host take every address of a block for its own.
// (Where it is more than one, the kernel refuses UDP over IPv6 in the name of
// another address, which probes take for a firewall.)
func (c *Cluster) AnswerFor(p netip.Prefix) error {
	return c.Outside.netlink(func(nl *netlink.Handle) error {
		lo, err := nl.LinkByName("lo")
		if err != nil {
			return err
		}
		if p.IsSingleIP() {
			if err := addAddr(nl, lo, network(p)); err != nil {
				return err
			}
			return settle(nl, []netip.Addr{p.Addr()})
		}
		r := &netlink.Route{
			LinkIndex: lo.Attrs().Index, Dst: network(p),
			Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
		}
		if err := nl.RouteReplace(r); err != nil {
			return fmt.Errorf("answer for %v: %w", p, err)
		}
		return nil
	})
}

// plug connects a host to the switch as eth0.
func (c *Cluster) plug(h *Host, addrs []netip.Addr) error {
	c.ports++
	name := fmt.Sprintf("port%d", c.ports)
	err := h.netlink(func(nl *netlink.Handle) error {
		err := nl.LinkAdd(&netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: "eth0", MTU: c.cfg.MTU},
			PeerName:      name,
			PeerNamespace: netlink.NsFd(c.sw.ns.FD()),
		})
		if err != nil {
			return fmt.Errorf("add a veth pair: %w", err)
		}
		eth0, err := nl.LinkByName("eth0")
		if err != nil {
			return err
		}
		for _, a := range addrs {
			// An address outside the plan is alone on its prefix, with a
			// route to each other host of the underlay.
			n := single(a)
			for _, p := range underlay {
				if p.Contains(a) {
					n = prefix(a, p.Bits())
				}
			}
			if err := addAddr(nl, eth0, n); err != nil {
				return err
			}
		}
		return nl.LinkSetUp(eth0)
	})
	if err != nil {
		return err
	}
	err = c.sw.netlink(func(nl *netlink.Handle) error {
		br, err := nl.LinkByName("switch")
		if err != nil {
			return err
		}
		port, err := nl.LinkByName(name)
		if err != nil {
			return err
		}
		if err := nl.LinkSetMaster(port, br); err != nil {
			return err
		}
		return nl.LinkSetUp(port)
	})
	if err != nil {
		return err
	}
	return h.netlink(func(nl *netlink.Handle) error { return settle(nl, addrs) })
}

func (c *Cluster) addNode(nc NodeConfig) error {
	h, err := newHost(nc.Name, forwarding)
	if err != nil {
		return err
	}
	n := &Node{Host: h, PodCIDRs: nc.PodCIDRs, Dir: filepath.Join(c.dir.path, nc.Name), transit: nc.transit}
	c.Nodes = append(c.Nodes, n)
	n.Addresses = nc.Addresses
	if err := os.Mkdir(n.Dir, 0o700); err != nil {
		return err
	}
	if c.cfg.Wiring == CNI {
		if n.cni, err = newCNINetwork(c.cfg, n); err != nil {
			return err
		}
	}
	addrs := slices.Clone(n.transit)
	for _, a := range n.Addresses {
		if !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	return c.plug(n.Host, addrs)
}

// addRoutes lets every host of the underlay reach the others and their pods.
func (c *Cluster) addRoutes() error {
	hosts := []*Host{c.Outside}
	for _, n := range c.Nodes {
		hosts = append(hosts, n.Host)
	}
	for _, h := range hosts {
		err := h.netlink(func(nl *netlink.Handle) error {
			eth0, err := nl.LinkByName("eth0")
			if err != nil {
				return err
			}
			if h != c.Outside {
				for _, gw := range c.cfg.pick(gateway...) {
					if err := addRoute(nl, eth0, everything(gw), gw); err != nil {
						return err
					}
				}
			}
			for _, n := range c.Nodes {
				if n.Host == h {
					continue
				}
				if err := c.addRoutesTo(nl, eth0, n, n.PodCIDRs); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	return nil
}

// addRoutesTo adds routes to a node and to its pods.
func (c *Cluster) addRoutesTo(nl *netlink.Handle, eth0 netlink.Link, n *Node, pods []netip.Prefix) error {
	for _, a := range n.Addresses {
		if !slices.ContainsFunc(underlay, func(p netip.Prefix) bool { return p.Contains(a) }) {
			if err := addRoute(nl, eth0, single(a), netip.Addr{}); err != nil {
				return err
			}
		}
	}
	if c.cfg.NoPodRoutes {
		return nil
	}
	for _, p := range pods {
		if !c.cfg.Families.has(p.Addr()) {
			continue
		}
		if err := addRoute(nl, eth0, network(p), sameFamily(n.transit, p.Addr())); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all processes in the cluster and removes everything. Further
// calls do nothing.
func (c *Cluster) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	var processes []*Process
	for p := range c.processes {
		processes = append(processes, p)
	}
	c.mu.Unlock()
	for _, p := range processes {
		p.Kill()
	}
	for _, p := range processes {
		<-p.Done()
	}
	var errs []error
	for _, p := range c.Pods() {
		errs = append(errs, p.close())
	}
	for _, n := range c.Nodes {
		errs = append(errs, n.close())
	}
	for _, h := range []*Host{c.Outside, c.sw} {
		if h != nil {
			errs = append(errs, h.close())
		}
	}
	if c.dir != nil {
		errs = append(errs, c.dir.remove())
	}
	return errors.Join(errs...)
}

// Owner returns the host that has an address.
func (c *Cluster) Owner(a netip.Addr) (*Host, bool) {
	hosts := []*Host{c.Outside}
	for _, n := range c.Nodes {
		hosts = append(hosts, n.Host)
	}
	for _, p := range c.Pods() {
		hosts = append(hosts, p.Host)
	}
	for _, h := range hosts {
		if slices.Contains(h.Addresses, a) {
			return h, true
		}
	}
	return nil, false
}
