package compiler

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/compiler/ir"
	"github.com/sluice-net/sluice/internal/model"
)

// lowering builds the IR; its maps intern what it has built.
type lowering struct {
	*resolved
	out     *ir.Program
	ports   map[string]ir.PortsID
	blocks  map[string]ir.BlockID
	groups  map[string]ir.GroupID
	domains map[string]int
	// sections holds each policy section's clauses; where a rule names a port
	// of the subject itself, one list for each set of ports.
	sections map[sectionKey][]ir.Clause
	tiers    map[string]ir.TierID
	rules    map[ruleKey]ir.RuleID
}

// ruleKey names a rule; index is -1 for the isolation of the whole section.
type ruleKey struct {
	policy int
	dir    model.Direction
	index  int
}

type sectionKey struct {
	policy int
	dir    model.Direction
	ports  string
}

func lower(r *resolved) *ir.Program {
	l := &lowering{
		resolved: r,
		out:      &ir.Program{Ports: [][]ir.PortRange{nil}},
		ports:    map[string]ir.PortsID{},
		blocks:   map[string]ir.BlockID{},
		groups:   map[string]ir.GroupID{},
		domains:  map[string]int{},
		sections: map[sectionKey][]ir.Clause{},
		tiers:    map[string]ir.TierID{},
		rules:    map[ruleKey]ir.RuleID{},
	}
	l.out.PodClass = r.podClass
	l.out.Classes = make([]ir.Class, len(r.classes))
	for _, d := range model.Directions {
		governing := make([][]int, len(r.classes)) // policies of each class, in order
		for i, p := range r.policies {
			if !p.Sections[d].Applies {
				continue
			}
			for _, c := range r.index.classesOf(p.Subject.Namespaces, p.Subject.Pods) {
				governing[c] = append(governing[c], i)
			}
		}
		for c, policies := range governing {
			l.out.Classes[c].Tiers[d] = l.classTiers(&r.classes[c], d, policies)
		}
	}
	return l.out
}

// classTiers returns the tiers of a class: its policies cut where the tier
// changes.
func (l *lowering) classTiers(c *class, d model.Direction, policies []int) []ir.TierID {
	var out []ir.TierID
	for len(policies) > 0 {
		kind := l.policies[policies[0]].Tier
		n := 1
		for n < len(policies) && l.policies[policies[n]].Tier == kind {
			n++
		}
		out = append(out, l.tier(c, kind, d, policies[:n]))
		policies = policies[n:]
	}
	return out
}

func (l *lowering) tier(c *class, kind model.Tier, d model.Direction, policies []int) ir.TierID {
	key := []byte{byte(d)}
	named := false
	for _, p := range policies {
		key = binary.AppendUvarint(key, uint64(p))
		named = named || l.namesSubjectPorts(p, d)
	}
	if named {
		key = append(append(key, 0xff), c.portsKey...)
	}
	if id, ok := l.tiers[string(key)]; ok {
		return id
	}
	t := ir.Tier{Kind: kind, Direction: d}
	for _, p := range policies {
		t.Clauses = append(t.Clauses, l.section(c, p, d)...)
	}
	if kind == model.TierNamespace {
		// A policy that allows nothing is what people look for when something
		// is denied: it goes first.
		for _, bare := range []bool{true, false} {
			for _, p := range policies {
				if (len(l.policies[p].Sections[d].Rules) == 0) == bare {
					t.Isolation = append(t.Isolation, l.rule(ruleKey{p, d, -1}))
				}
			}
		}
	}
	id := ir.TierID(len(l.out.Tiers))
	l.out.Tiers = append(l.out.Tiers, t)
	l.tiers[string(key)] = id
	return id
}

// namesSubjectPorts reports whether the section names ports of the pods that
// the policy governs: ports are the destination's, so ingress does.
func (l *lowering) namesSubjectPorts(policy int, d model.Direction) bool {
	if d != model.Ingress {
		return false
	}
	for i := range l.policies[policy].Sections[d].Rules {
		for _, p := range l.policies[policy].Sections[d].Rules[i].Ports {
			if p.Name != "" {
				return true
			}
		}
	}
	return false
}

// rule returns the provenance entry of a rule, or of a policy's isolation.
func (l *lowering) rule(k ruleKey) ir.RuleID {
	id, ok := l.rules[k]
	if ok {
		return id
	}
	pol := l.policies[k.policy]
	r := ir.Rule{Policy: pol, Order: k.policy, Direction: k.dir, Index: k.index, ID: "isolation", Pos: pol.Pos}
	if k.index >= 0 {
		rule := &pol.Sections[k.dir].Rules[k.index]
		r.ID, r.Pos = rule.ID, rule.Pos
	}
	id = ir.RuleID(len(l.out.Rules))
	l.out.Rules = append(l.out.Rules, r)
	l.rules[k] = id
	return id
}

func (l *lowering) section(c *class, policy int, d model.Direction) []ir.Clause {
	key := sectionKey{policy: policy, dir: d}
	if l.namesSubjectPorts(policy, d) {
		key.ports = c.portsKey
	}
	if found, ok := l.sections[key]; ok {
		return found
	}
	var out []ir.Clause
	pol := l.policies[policy]
	for i := range pol.Sections[d].Rules {
		rule := &pol.Sections[d].Rules[i]
		id := l.rule(ruleKey{policy, d, i})
		for _, m := range l.matchesOf(c, rule, d) {
			out = append(out, ir.Clause{
				Verdict: rule.Verdict, Peer: m.peer, Ports: m.ports, Log: rule.Log, Rules: []ir.RuleID{id},
			})
		}
	}
	l.sections[key] = out
	return out
}

// match is one peer and the ports on which a rule means it.
type match struct {
	peer  ir.Peer
	ports ir.PortsID
}

// matchesOf lowers one rule: the product of its peers and its ports, with
// named ports resolved on the destination.
func (l *lowering) matchesOf(c *class, rule *model.Rule, d model.Direction) []match {
	if rule.AnyPort {
		return l.peersOn(rule, 0)
	}
	var numbers []ir.PortRange
	var names []model.Port
	for _, p := range rule.Ports {
		switch {
		case p.Name == "":
			for _, proto := range protocolsOf(p.Protocol) {
				numbers = append(numbers, ir.PortRange{Protocol: proto, Low: p.Low, High: p.High})
			}
		case d == model.Ingress:
			numbers = append(numbers, resolvePort(p, c.ports)...)
		default:
			names = append(names, p)
		}
	}
	var out []match
	if len(numbers) > 0 {
		out = l.peersOn(rule, l.portSet(numbers))
	}
	for _, p := range names {
		out = append(out, l.namedEgress(rule, p)...)
	}
	return out
}

// protocolsOf returns the protocols that a port number may belong to.
func protocolsOf(p model.Protocol) []model.Protocol {
	if p == model.AnyProtocol {
		return []model.Protocol{model.TCP, model.UDP, model.SCTP}
	}
	return []model.Protocol{p}
}

// resolvePort returns the numbers that a port name has among a pod's ports.
func resolvePort(p model.Port, ports []model.ContainerPort) []ir.PortRange {
	var out []ir.PortRange
	for _, cp := range ports {
		if cp.Name == p.Name && (p.Protocol == model.AnyProtocol || p.Protocol == cp.Protocol) {
			out = append(out, ir.PortRange{Protocol: cp.Protocol, Low: cp.Number, High: cp.Number})
		}
	}
	return out
}

// peersOn pairs each peer of the rule with the same ports. The rule's address
// blocks become one.
func (l *lowering) peersOn(rule *model.Rule, ports ir.PortsID) []match {
	if rule.AnyPeer {
		return []match{{ir.Peer{Kind: ir.PeerAny}, ports}}
	}
	var out []match
	var addrs []ir.AddrRange
	for i := range rule.Peers {
		p := &rule.Peers[i]
		switch p.Kind {
		case model.PeerPods:
			out = append(out, match{l.podGroup(p.Namespaces, p.Pods), ports})
		case model.PeerBlock:
			addrs = append(addrs, peerRanges(p)...)
		case model.PeerNodes:
			out = append(out, match{l.nodeGroup(p.Nodes), ports})
		case model.PeerDomain:
			out = append(out, match{l.domain(p.Domain), ports})
		}
	}
	if len(addrs) > 0 {
		out = append(out, match{l.block(addrs), ports})
	}
	return out
}

// namedEgress lowers a port name in an egress rule: for each number that the
// name has among the peers, the peers that have it. A name belongs to a pod,
// so the item matches through a peer that is chosen as a pod: an address block
// with a named port matches nothing, whoever has the address.
func (l *lowering) namedEgress(rule *model.Rule, port model.Port) []match {
	if rule.AnyPeer {
		return l.namedGroups(model.NamespaceMatch{}, model.Selector{}, port)
	}
	var out []match
	for i := range rule.Peers {
		if p := &rule.Peers[i]; p.Kind == model.PeerPods {
			out = append(out, l.namedGroups(p.Namespaces, p.Pods, port)...)
		}
	}
	return out
}

func (l *lowering) namedGroups(ns model.NamespaceMatch, pods model.Selector, port model.Port) []match {
	having := map[ir.PortRange][]ir.ClassID{}
	var order []ir.PortRange
	for _, c := range l.index.classesOf(ns, pods) {
		numbers := resolvePort(port, l.classes[c].ports)
		for _, n := range mergePorts(numbers) {
			// mergePorts may join neighbouring numbers; a group for each range is
			// as exact as one for each number.
			if having[n] == nil {
				order = append(order, n)
			}
			having[n] = append(having[n], c)
		}
	}
	slices.SortFunc(order, comparePortRanges)
	var out []match
	for _, n := range order {
		name := fmt.Sprintf("%s with port %s=%d-%d/%v", keyOf(ns, pods), port.Name, n.Low, n.High, n.Protocol)
		if n.Low == n.High {
			name = fmt.Sprintf("%s with port %s=%d/%v", keyOf(ns, pods), port.Name, n.Low, n.Protocol)
		}
		g := l.group(name, having[n], nil)
		out = append(out, match{g, l.portSet([]ir.PortRange{n})})
	}
	return out
}

func (l *lowering) podGroup(ns model.NamespaceMatch, pods model.Selector) ir.Peer {
	return l.group(keyOf(ns, pods).String(), l.index.classesOf(ns, pods), nil)
}

func (l *lowering) nodeGroup(sel model.Selector) ir.Peer {
	text := sel.String()
	if text == "" {
		text = "*"
	}
	return l.group("node:"+text, nil, l.index.nodesOf(sel))
}

func (l *lowering) group(name string, classes []ir.ClassID, nodes []int) ir.Peer {
	id, ok := l.groups[name]
	if !ok {
		id = ir.GroupID(len(l.out.Groups))
		l.groups[name] = id
		l.out.Groups = append(l.out.Groups, ir.Group{Name: name, Classes: classes, Nodes: nodes})
	}
	return ir.Peer{Kind: ir.PeerGroup, ID: int(id)}
}

func (l *lowering) domain(name string) ir.Peer {
	id, ok := l.domains[name]
	if !ok {
		id = len(l.out.Domains)
		l.domains[name] = id
		l.out.Domains = append(l.out.Domains, name)
	}
	return ir.Peer{Kind: ir.PeerDomain, ID: id}
}

func (l *lowering) portSet(rs []ir.PortRange) ir.PortsID {
	rs = mergePorts(slices.Clone(rs))
	key := make([]byte, 0, 5*len(rs))
	for _, r := range rs {
		key = append(key, byte(r.Protocol), byte(r.Low>>8), byte(r.Low), byte(r.High>>8), byte(r.High))
	}
	id, ok := l.ports[string(key)]
	if !ok {
		id = ir.PortsID(len(l.out.Ports))
		l.ports[string(key)] = id
		l.out.Ports = append(l.out.Ports, rs)
	}
	return id
}

func (l *lowering) block(rs []ir.AddrRange) ir.Peer {
	rs = mergeAddrs(slices.Clone(rs))
	var key []byte
	for _, r := range rs {
		key = append(key, byte(r.Low.BitLen()))
		key = append(key, r.Low.AsSlice()...)
		key = append(key, r.High.AsSlice()...)
	}
	id, ok := l.blocks[string(key)]
	if !ok {
		id = ir.BlockID(len(l.out.Blocks))
		l.blocks[string(key)] = id
		l.out.Blocks = append(l.out.Blocks, rs)
	}
	return ir.Peer{Kind: ir.PeerBlock, ID: int(id)}
}
