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

// depth is how thoroughly something is asked about.
type depth int

const (
	// brief: each peer on the first port, which is one that matches.
	brief depth = iota
	// full: besides, each port with the first few peers.
	full
)

// ask yields questions about one governed pod.
func ask(yield func(oracle.Connection) bool, how depth, d model.Direction, subject, peers []oracle.End, ports []port) bool {
	const few = 3
	for i, peer := range peers {
		for j, p := range ports {
			if j > 0 && (how == brief || i >= few) {
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

// thorough is for how many kinds of pod a policy is asked about in full; the
// others are asked about briefly.
const thorough = 3

// fromPolicies yields questions about every kind of pod, and about every rule
// of the sources on every kind that its policy selects.
func (c *cast) fromPolicies(s *model.Snapshot) iter.Seq[oracle.Connection] {
	return func(yield func(oracle.Connection) bool) {
		for i := range c.kinds {
			if !c.fromKind(yield, &c.kinds[i]) {
				return
			}
		}
		met := map[string]int{} // peers, by selectors: in how many rules so far
		for i := range s.Policies {
			p := &s.Policies[i]
			subjects, bystander := c.selected(p.Subject.Namespaces, p.Subject.Pods)
			for n, k := range subjects {
				how := brief
				if n < thorough {
					how = full
				}
				if !c.fromPolicy(yield, how, p, c.kinds[k], met) {
					return
				}
			}
			if bystander != nil && !c.fromPolicy(yield, brief, p, *bystander, nil) {
				return
			}
		}
	}
}

// fromKind yields what any policy might be wrong about, or the lack of one:
// outside addresses, nodes, pods on their networks, the pod itself and another
// like it.
func (c *cast) fromKind(yield func(oracle.Connection) bool, k *kind) bool {
	peers := append(append(c.general(), k.other...), k.ends...)
	for _, d := range model.Directions {
		if !ask(yield, full, d, k.ends, peers, anything) {
			return false
		}
	}
	return true
}

// fromPolicy yields the questions about one policy and one kind of pod. met
// counts peers whose every kind has been asked about; nil does not ask.
func (c *cast) fromPolicy(yield func(oracle.Connection) bool, how depth, p *model.Policy, subject kind, met map[string]int) bool {
	for _, d := range model.Directions {
		// Rules of a direction that policyTypes leaves out are asked too: they
		// must have no effect.
		for j := range p.Sections[d].Rules {
			r := &p.Sections[d].Rules[j]
			peers := c.peersOf(r)
			ports := c.portsOf(r, d, subject, peers)
			if !ask(yield, how, d, subject.ends, peers, ports) {
				return false
			}
			if met == nil || how == brief {
				continue
			}
			// On two ports, since an earlier rule may decide one.
			members := c.membersOf(r, met)
			for n := range min(2, len(ports)) {
				if !ask(yield, brief, d, subject.ends, members, ports[n:]) {
					return false
				}
			}
		}
	}
	return true
}

// membersOf returns every kind of pod that the rule's selectors match, for
// selectors that have not been asked about in a few rules already: the first
// rules may be behind others that decide.
func (c *cast) membersOf(r *model.Rule, met map[string]int) []oracle.End {
	var out []oracle.End
	for i := range r.Peers {
		p := &r.Peers[i]
		key := p.Namespaces.String() + "/" + p.Pods.String()
		if p.Kind != model.PeerPods || met[key] > thorough*2 {
			continue
		}
		met[key]++
		in, _ := c.selected(p.Namespaces, p.Pods)
		for _, k := range in {
			out = append(out, c.kinds[k].ends...)
		}
	}
	return out
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
			in, not := c.selected(p.Namespaces, p.Pods)
			for n := range min(2, len(in)) {
				out = append(out, c.kinds[in[n*(len(in)-1)]].ends...)
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
func (k *Checker) fromClauses(who *cast) iter.Seq[oracle.Connection] {
	rs := k.ruleset
	p, m := &rs.Program, &rs.Membership
	pods := map[string]*model.Pod{}
	for i := range k.snapshot.Pods {
		q := &k.snapshot.Pods[i]
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
					if !ask(yield, full, d, endsAt(i), k.clausePeers(who, cl, members), clausePorts(rs, cl)) {
						return
					}
				}
			}
		}
	}
}

func (k *Checker) clausePeers(who *cast, cl *artifact.Clause, members [][]oracle.End) []oracle.End {
	var out []oracle.End
	switch cl.Peer.Kind {
	case artifact.PeerGroup:
		out = append(out, members[cl.Peer.ID]...)
	case artifact.PeerBlock:
		for _, r := range k.ruleset.Program.Blocks[cl.Peer.ID] {
			for _, a := range border(r.Low, r.High) {
				out = append(out, who.eval.At(a))
			}
		}
	case artifact.PeerAny, artifact.PeerDomain:
	}
	return append(out, who.strangers...)
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
