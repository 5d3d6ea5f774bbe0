package verify

import (
	"iter"
	"net/netip"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
)

// port is a protocol and a destination port.
type port struct {
	protocol model.Protocol
	number   uint16
}

// anything are ports for rules that name none: with and without port numbers,
// and a protocol that Kubernetes does not know (47, GRE).
var anything = []port{{model.TCP, 80}, {model.UDP, 1}, {model.SCTP, 65535}, {model.ICMP, 0}, {47, 0}}

// around returns both ends of a range of ports, the ports beside it, the same
// number of another protocol, and a protocol without ports.
func around(protocol model.Protocol, low, high uint16) []port {
	out := []port{{protocol, low}, {model.ICMP, 0}}
	if high != low {
		out = append(out, port{protocol, high})
	}
	if low > 0 {
		out = append(out, port{protocol, low - 1})
	}
	if high < 65535 {
		out = append(out, port{protocol, high + 1})
	}
	for _, other := range []model.Protocol{model.TCP, model.UDP, model.SCTP} {
		if other != protocol {
			out = append(out, port{other, low})
		}
	}
	return out
}

// border returns the first and last address of a range and those beside it.
func border(low, high netip.Addr) []netip.Addr {
	out := []netip.Addr{low, high}
	for _, a := range []netip.Addr{low.Prev(), high.Next()} {
		if a.IsValid() {
			out = append(out, a)
		}
	}
	return out
}

// lastOf returns the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// ask yields the questions about one governed pod: each peer on the first
// port, which is one that matches, and each port with the first few peers.
func ask(yield func(oracle.Connection) bool, d model.Direction, subject []oracle.End, peers []oracle.End, ports []port) bool {
	const few = 3
	for i, peer := range peers {
		for j, p := range ports {
			if i >= few && j > 0 {
				break
			}
			for _, self := range subject {
				if self.Addr.IsValid() && peer.Addr.IsValid() && self.Addr.Is4() != peer.Addr.Is4() {
					continue
				}
				c := oracle.Connection{Src: peer, Dst: self, Protocol: p.protocol, Port: p.number}
				if d == model.Egress {
					c.Src, c.Dst = self, peer
				}
				if c.Protocol == model.ICMP && (self.Addr.Is6() || peer.Addr.Is6()) {
					c.Protocol = model.ICMPv6
				}
				if !yield(c) {
					return false
				}
			}
		}
	}
	return true
}

// fromPolicies yields questions about every rule of the sources.
func (c *cast) fromPolicies(s *model.Snapshot) iter.Seq[oracle.Connection] {
	return func(yield func(oracle.Connection) bool) {
		for i := range s.Policies {
			p := &s.Policies[i]
			subjects, bystander := c.selected(p.Subject.Namespaces, p.Subject.Pods, 3)
			if bystander != nil {
				subjects = append(subjects, *bystander)
			}
			for _, d := range model.Directions {
				if !c.fromSection(yield, p, d, subjects) {
					return
				}
			}
		}
	}
}

func (c *cast) fromSection(yield func(oracle.Connection) bool, p *model.Policy, d model.Direction, subjects []kind) bool {
	for _, subject := range subjects {
		general := append(c.general(), subject.other...)
		general = append(general, subject.ends...)
		if !ask(yield, d, subject.ends, general, anything) {
			return false
		}
		// Rules of a direction that policyTypes leaves out are asked too: they
		// must have no effect.
		for j := range p.Sections[d].Rules {
			r := &p.Sections[d].Rules[j]
			peers := c.peersOf(r)
			if !ask(yield, d, subject.ends, peers, c.portsOf(r, d, subject, peers)) {
				return false
			}
		}
	}
	return true
}

// general are peers that any rule might be wrong about.
func (c *cast) general() []oracle.End {
	out := append([]oracle.End{}, c.strangers...)
	if len(c.nodes) > 0 {
		out = append(out, c.nodes[0], c.nodes[len(c.nodes)-1])
	}
	return append(out, c.hostPods...)
}

// peersOf returns ends that a rule's peers match, and neighbours that they
// should not.
func (c *cast) peersOf(r *model.Rule) []oracle.End {
	if r.AnyPeer {
		out := append([]oracle.End{}, c.strangers...)
		if len(c.kinds) > 0 {
			out = append(out, c.kinds[0].ends...)
			out = append(out, c.kinds[len(c.kinds)-1].ends...)
		}
		return append(out, c.general()...)
	}
	var out []oracle.End
	for i := range r.Peers {
		p := &r.Peers[i]
		switch p.Kind {
		case model.PeerPods:
			in, not := c.selected(p.Namespaces, p.Pods, 2)
			for _, k := range in {
				out = append(out, k.ends...)
			}
			if not != nil {
				out = append(out, not.ends...)
			}
		case model.PeerBlock:
			for _, b := range append([]netip.Prefix{p.Block}, p.Except...) {
				for _, a := range border(b.Masked().Addr(), lastOf(b)) {
					out = append(out, c.eval.At(a))
				}
			}
		case model.PeerNodes:
			out = append(out, c.nodes...)
			out = append(out, c.hostPods...)
		case model.PeerDomain:
		}
	}
	return append(out, c.strangers...)
}

// portsOf returns the borders of a rule's ports; names are looked up on the
// pods that could be the destination.
func (c *cast) portsOf(r *model.Rule, d model.Direction, subject kind, peers []oracle.End) []port {
	if r.AnyPort {
		return anything
	}
	var out []port
	for _, p := range r.Ports {
		if p.Name == "" {
			protocol := p.Protocol
			if protocol == model.AnyProtocol {
				protocol = model.TCP
			}
			out = append(out, around(protocol, p.Low, p.High)...)
			continue
		}
		destinations := peers
		if d == model.Ingress {
			destinations = subject.ends
		}
		for _, e := range destinations {
			if e.Pod == nil {
				continue
			}
			for _, cp := range e.Pod.Ports {
				if cp.Name == p.Name {
					out = append(out, around(cp.Protocol, cp.Number, cp.Number)...)
				}
			}
		}
	}
	return append(out, anything...)
}

// fromClauses yields questions about every clause of the artifact, asked of an
// endpoint that has it.
func (c *Checker) fromClauses(k *cast) iter.Seq[oracle.Connection] {
	rs := c.ruleset
	p, m := &rs.Program, &rs.Membership
	pods := map[string]*model.Pod{}
	for i := range c.snapshot.Pods {
		q := &c.snapshot.Pods[i]
		pods[q.Namespace+"/"+q.Name+"/"+q.Workload] = q
	}
	endsAt := func(i int) []oracle.End {
		e := &m.Endpoints[i]
		if q := pods[e.Namespace+"/"+e.Name+"/"+e.Workload]; q != nil {
			return endsOf(q)
		}
		return nil
	}
	members := make([][]oracle.End, len(p.Groups)) // a member of each group
	governed := map[artifact.ProfileID]int{}
	seen := make([]bool, len(m.Classes))
	for i := range m.Endpoints {
		class := m.Endpoints[i].Class
		if seen[class] {
			continue
		}
		seen[class] = true
		for _, g := range m.Classes[class].Groups {
			if members[g] == nil {
				members[g] = endsAt(i)
			}
		}
		for _, f := range m.Classes[class].Profiles {
			if _, ok := governed[f]; !ok {
				governed[f] = i
			}
		}
	}
	return func(yield func(oracle.Connection) bool) {
		for f := range p.Profiles {
			i, ok := governed[artifact.ProfileID(f)]
			if f == 0 || !ok {
				continue
			}
			d := model.Direction(p.Profiles[f].Direction)
			for _, t := range p.Profiles[f].Tiers {
				for _, id := range p.Tiers[t].Clauses {
					cl := &p.Clauses[id]
					if !ask(yield, d, endsAt(i), c.clausePeers(k, cl, members), clausePorts(rs, cl)) {
						return
					}
				}
			}
		}
	}
}

func (c *Checker) clausePeers(k *cast, cl *artifact.Clause, members [][]oracle.End) []oracle.End {
	var out []oracle.End
	switch cl.Peer.Kind {
	case artifact.PeerGroup:
		out = append(out, members[cl.Peer.ID]...)
	case artifact.PeerBlock:
		for _, r := range c.ruleset.Program.Blocks[cl.Peer.ID] {
			for _, a := range border(r.Low, r.High) {
				out = append(out, k.eval.At(a))
			}
		}
	case artifact.PeerAny, artifact.PeerDomain:
	}
	return append(out, k.strangers...)
}

func clausePorts(rs *artifact.Ruleset, cl *artifact.Clause) []port {
	if cl.Ports == artifact.AllPorts {
		return anything
	}
	var out []port
	for _, r := range rs.Program.Ports[cl.Ports] {
		out = append(out, around(model.Protocol(r.Protocol), r.Low, r.High)...)
	}
	return out
}
