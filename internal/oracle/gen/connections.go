package gen

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
)

// Prober makes connections that aim at the edges of what a snapshot's policies
// say: first, last and neighbouring ports and addresses.
type Prober struct {
	dice
	ends    []oracle.End // pods, nodes and stand-ins, once for each address
	outside []netip.Addr // edges of blocks and exceptions, and a few others
	ports   []uint16
}

// NewProber looks for the edges of s.
func NewProber(s *model.Snapshot, seed uint64) *Prober {
	p := &Prober{dice: newDice(seed, 3), ports: []uint16{0, 1, 80, 1024, 65535}}
	for i := range s.Pods {
		if pod := &s.Pods[i]; !pod.Finished {
			p.addEnd(oracle.End{Pod: pod}, pod.Addresses)
		}
		for _, c := range s.Pods[i].Ports {
			p.addPorts(c.Number, c.Number)
		}
		p.outside = append(p.outside, s.Pods[i].Addresses...)
	}
	for i := range s.Nodes {
		p.addEnd(oracle.End{Node: &s.Nodes[i]}, s.Nodes[i].Addresses)
		for _, c := range s.Nodes[i].PodCIDRs {
			p.addBlock(c)
		}
	}
	for _, a := range []string{"203.0.113.9", "198.51.100.7", "2001:db8:9::9", "2001:db8:ffff::1"} {
		p.outside = append(p.outside, netip.MustParseAddr(a))
	}
	for i := range s.Policies {
		for _, section := range s.Policies[i].Sections {
			for _, r := range section.Rules {
				for _, peer := range r.Peers {
					if peer.Kind == model.PeerBlock {
						p.addBlock(peer.Block)
					}
					for _, x := range peer.Except {
						p.addBlock(x)
					}
				}
				for _, port := range r.Ports {
					if port.Name == "" {
						p.addPorts(port.Low, port.High)
					}
				}
			}
		}
	}
	slices.SortFunc(p.outside, netip.Addr.Compare)
	p.outside = slices.Compact(p.outside)
	slices.Sort(p.ports)
	p.ports = slices.Compact(p.ports)
	return p
}

func (p *Prober) addEnd(e oracle.End, addrs []netip.Addr) {
	if len(addrs) == 0 {
		p.ends = append(p.ends, e)
	}
	for _, a := range addrs {
		e.Addr = a
		p.ends = append(p.ends, e)
	}
}

// addPorts adds a range's ends and the ports beside it, as far as they exist.
func (p *Prober) addPorts(low, high uint16) {
	p.ports = append(p.ports, low, high)
	if low > 0 {
		p.ports = append(p.ports, low-1)
	}
	if high < 65535 {
		p.ports = append(p.ports, high+1)
	}
}

// addBlock adds a block's first and last address and those beside it.
func (p *Prober) addBlock(b netip.Prefix) {
	first, last := b.Masked().Addr(), lastAddr(b)
	for _, a := range []netip.Addr{first, last, first.Prev(), last.Next()} {
		if a.IsValid() && a.Is4() == first.Is4() {
			p.outside = append(p.outside, a)
		}
	}
}

func lastAddr(b netip.Prefix) netip.Addr {
	bytes := b.Addr().AsSlice()
	for i := b.Bits(); i < 8*len(bytes); i++ {
		bytes[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

// Next returns another connection. Its ends are of one family where both have
// addresses.
func (p *Prober) Next() oracle.Connection {
	for {
		c := oracle.Connection{Src: p.end(), Dst: p.end()}
		if p.chance(4) && (c.Src.Pod == nil || !c.Src.Pod.StandIn) {
			c.Dst = c.Src
		}
		if c.Src.Addr.IsValid() && c.Dst.Addr.IsValid() && c.Src.Addr.Is4() != c.Dst.Addr.Is4() {
			continue
		}
		c.Protocol = pick(p.dice, portedTypes)
		switch n := p.IntN(100); {
		case n < 6:
			c.Protocol = 47
		case n < 20:
			c.Protocol = model.ICMP
			if c.Src.Addr.Is6() || c.Dst.Addr.Is6() {
				c.Protocol = model.ICMPv6
			}
		}
		if c.Protocol.HasPorts() {
			c.Port = pick(p.dice, p.ports)
			if p.chance(5) {
				c.Port = uint16(p.IntN(65536))
			}
		}
		return c
	}
}

// end is a pod or node three times out of four, and named by nothing but its
// address in some of them.
func (p *Prober) end() oracle.End {
	if p.chance(25) {
		return oracle.End{Addr: pick(p.dice, p.outside)}
	}
	e := pick(p.dice, p.ends)
	if e.Addr.IsValid() && p.chance(20) {
		return oracle.End{Addr: e.Addr}
	}
	return e
}
