package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Pod is a running pod. Its link is called eth0, as everywhere.
type Pod struct {
	*Host
	Namespace string
	PodName   string
	Node      *Node

	id string // of its container, for CNI
}

// AddPod starts a pod on a node and returns it when it is wired and listens.
func (c *Cluster) AddPod(ctx context.Context, node string, spec PodSpec) (_ *Pod, err error) {
	n := c.Node(node)
	if n == nil {
		return nil, fmt.Errorf("testbed: there is no node %q", node)
	}
	name := spec.Namespace + "/" + spec.Name
	h, err := newHost(name, nil)
	if err != nil {
		return nil, err
	}
	p := &Pod{Host: h, Namespace: spec.Namespace, PodName: spec.Name, Node: n}
	p.Addresses = spec.Addresses
	if err := c.claim(name, p); err != nil {
		return nil, errors.Join(err, h.close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("testbed: add pod %s: %w", name, err), c.RemovePod(context.WithoutCancel(ctx), p))
		}
	}()
	if c.cfg.Wiring == CNI {
		if p.Addresses, err = n.cni.add(ctx, n, p); err != nil {
			return nil, err
		}
	} else if err := c.wire(p); err != nil {
		return nil, err
	}
	for _, port := range spec.Listen {
		if err := p.Listen(port); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// claim registers the pod under its name and gives it what must be unique.
func (c *Cluster) claim(name string, p *Pod) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("testbed: the cluster is closed")
	}
	if c.pods[name] != nil {
		return fmt.Errorf("testbed: pod %s exists already", name)
	}
	c.wired++
	p.id = fmt.Sprintf("pod%d", c.wired)
	if c.cfg.Wiring == Plain && len(p.Addresses) == 0 {
		if err := c.assign(p); err != nil {
			return err
		}
	}
	c.pods[name] = p
	return nil
}

// assign picks the first free address of each of the node's ranges. The first
// two are left out, as host-local does: the network's own and the gateway's.
func (c *Cluster) assign(p *Pod) error {
	taken := make(map[netip.Addr]bool)
	for _, other := range c.pods {
		for _, a := range other.Addresses {
			taken[a] = true
		}
	}
	for _, cidr := range p.Node.PodCIDRs {
		a := cidr.Masked().Addr().Next().Next()
		for taken[a] {
			a = a.Next()
		}
		if !cidr.Contains(a) {
			return fmt.Errorf("testbed: %v is full", cidr)
		}
		p.Addresses = append(p.Addresses, a)
	}
	return nil
}

// RemovePod ends a pod as a kubelet does: its addresses are free afterwards.
func (c *Cluster) RemovePod(ctx context.Context, p *Pod) error {
	c.mu.Lock()
	if c.closed || c.pods[p.Name] != p {
		c.mu.Unlock()
		return nil
	}
	delete(c.pods, p.Name)
	c.mu.Unlock()
	var err error
	if c.cfg.Wiring == CNI {
		err = p.Node.cni.remove(ctx, p.Node, p)
	} else {
		err = c.unwire(p)
	}
	return errors.Join(err, p.close())
}

// nextHop is the gateway of plainly wired pods: no address of anybody, only
// the key of a permanent neighbour entry.
func nextHop(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.AddrFrom4([4]byte{169, 254, 1, 1})
	}
	return netip.MustParseAddr("fe80::1")
}

// wire connects a pod to its node without CNI.
func (c *Cluster) wire(p *Pod) error {
	n := p.Node
	hostEnd := "veth-" + p.id
	var nodeMAC, podMAC []byte
	err := n.netlink(func(nl *netlink.Handle) error {
		err := nl.LinkAdd(&netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: hostEnd, MTU: c.cfg.MTU},
			PeerName:      "eth0",
			PeerNamespace: netlink.NsFd(p.ns.FD()),
		})
		if err != nil {
			return fmt.Errorf("add a veth pair: %w", err)
		}
		l, err := nl.LinkByName(hostEnd)
		if err != nil {
			return err
		}
		nodeMAC = l.Attrs().HardwareAddr
		return nl.LinkSetUp(l)
	})
	if err != nil {
		return err
	}
	err = p.netlink(func(nl *netlink.Handle) error {
		l, err := nl.LinkByName("eth0")
		if err != nil {
			return err
		}
		podMAC = l.Attrs().HardwareAddr
		for _, a := range p.Addresses {
			if err := addAddr(nl, l, single(a)); err != nil {
				return err
			}
		}
		if err := nl.LinkSetUp(l); err != nil {
			return err
		}
		for _, a := range p.Addresses {
			if err := addNeighbour(nl, l, nextHop(a), nodeMAC); err != nil {
				return err
			}
			if err := addRoute(nl, l, everything(a), nextHop(a)); err != nil {
				return err
			}
		}
		return settle(nl, p.Addresses)
	})
	if err != nil {
		return err
	}
	err = n.netlink(func(nl *netlink.Handle) error {
		l, err := nl.LinkByName(hostEnd)
		if err != nil {
			return err
		}
		for _, a := range p.Addresses {
			if err := addNeighbour(nl, l, a, podMAC); err != nil {
				return err
			}
			if err := addRoute(nl, l, single(a), netip.Addr{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.strayRoutes(p, addRoute)
}

// unwire removes a plainly wired pod's link, and with it all that depends on
// it. (The kernel would do so some time after the namespace is closed.)
func (c *Cluster) unwire(p *Pod) error {
	err := p.Node.netlink(func(nl *netlink.Handle) error {
		l, err := nl.LinkByName("veth-" + p.id)
		if err != nil {
			return err
		}
		return nl.LinkDel(l)
	})
	return errors.Join(err, c.strayRoutes(p, func(nl *netlink.Handle, _ netlink.Link, dst *net.IPNet, _ netip.Addr) error {
		return nl.RouteDel(&netlink.Route{Dst: dst})
	}))
}

// strayRoutes calls change for the routes that the other hosts of the underlay
// need to those of the pod's addresses that are not in its node's ranges.
func (c *Cluster) strayRoutes(p *Pod, change func(*netlink.Handle, netlink.Link, *net.IPNet, netip.Addr) error) error {
	var stray []netip.Addr
	for _, a := range p.Addresses {
		if !slices.ContainsFunc(p.Node.PodCIDRs, func(r netip.Prefix) bool { return r.Contains(a) }) {
			stray = append(stray, a)
		}
	}
	if len(stray) == 0 || c.cfg.NoPodRoutes {
		return nil
	}
	hosts := []*Host{c.Outside}
	for _, n := range c.Nodes {
		if n != p.Node {
			hosts = append(hosts, n.Host)
		}
	}
	for _, h := range hosts {
		err := h.netlink(func(nl *netlink.Handle) error {
			eth0, err := nl.LinkByName("eth0")
			if err != nil {
				return err
			}
			for _, a := range stray {
				if err := change(nl, eth0, single(a), sameFamily(p.Node.transit, a)); err != nil {
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

func addNeighbour(nl *netlink.Handle, l netlink.Link, a netip.Addr, mac []byte) error {
	family := unix.AF_INET
	if a.Is6() {
		family = unix.AF_INET6
	}
	err := nl.NeighSet(&netlink.Neigh{
		LinkIndex: l.Attrs().Index, Family: family, State: netlink.NUD_PERMANENT,
		IP: a.AsSlice(), HardwareAddr: mac,
	})
	if err != nil {
		return fmt.Errorf("add neighbour %v to %s: %w", a, l.Attrs().Name, err)
	}
	return nil
}
