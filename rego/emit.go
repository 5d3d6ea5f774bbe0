package rego

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// party is what a conjunction says about one end.
type party struct {
	pods, nodes, outside bool // which kinds of endpoint it can be
	// namespaces and labels are what pods, and for labels also nodes, have to
	// satisfy.
	namespaces, labels []model.Requirement
	addrs              *addrSet // nil: any, or none
}

// everyPod reports whether the party is any pod.
func (p *party) everyPod() bool { return p.pods && len(p.namespaces) == 0 && len(p.labels) == 0 }

func (p *party) everyNode() bool { return p.nodes && len(p.labels) == 0 }

// split returns conjunctions whose conditions on labels are each one
// requirement of a selector: "one of these, or absent" becomes two.
func (c conj) split() []conj {
	for _, p := range slices.SortedFunc(maps.Keys(c.values), compareUnknowns) {
		s := c.values[p]
		if !s.absent || s.inverse || len(s.values) == 0 || !p.optional() {
			continue
		}
		with, without := c.and(conj{}), c.and(conj{})
		with.values[p] = valueSet{values: s.values}
		without.values[p] = valueSet{absent: true}
		return append(with.split(), without.split()...)
	}
	return []conj{c}
}

// requirements returns the selector's conditions for a set, none for every
// value and absence.
func requirements(key string, s valueSet) []model.Requirement {
	var out []model.Requirement
	switch {
	case !s.inverse && s.absent:
		return []model.Requirement{{Key: key, Op: model.DoesNotExist}}
	case !s.inverse:
		return []model.Requirement{{Key: key, Op: model.In, Values: s.sorted()}}
	case !s.absent:
		out = append(out, model.Requirement{Key: key, Op: model.Exists})
	}
	if len(s.values) > 0 {
		out = append(out, model.Requirement{Key: key, Op: model.NotIn, Values: s.sorted()})
	}
	return out
}

// partyOf returns what c says about one end. c has been split.
func (c conj) partyOf(e endID) party {
	p := party{pods: true, nodes: true, outside: true}
	name := present // of the namespace, for pods
	for _, u := range slices.SortedFunc(maps.Keys(c.values), compareUnknowns) {
		s := c.values[u]
		if u.end != e {
			continue
		}
		switch u.field {
		case fieldKind:
			p.pods, p.nodes, p.outside = p.pods && s.has(KindPod), p.nodes && s.has(KindNode), p.outside && s.has(KindIP)
		case fieldNamespace:
			p.nodes, p.outside = p.nodes && s.has(""), p.outside && s.has("")
			name = name.intersect(s.filter(func(v string) bool { return v != "" }))
		case fieldNamespaceLabel:
			p.nodes, p.outside = p.nodes && s.absent, p.outside && s.absent
			if u.key == model.NamespaceNameLabel { // every namespace has it
				name = name.intersect(s)
				continue
			}
			p.namespaces = append(p.namespaces, requirements(u.key, s)...)
		case fieldLabel:
			p.outside = p.outside && s.absent
			p.labels = append(p.labels, requirements(u.key, s)...)
		default: // addresses and traffic are kept apart; names are refused
		}
	}
	p.pods = p.pods && !name.empty()
	name.absent = name.inverse // NotIn alone will do, where the label is always there
	if !name.full() && p.pods {
		p.namespaces = append(p.namespaces, requirements(model.NamespaceNameLabel, name)...)
	}
	if s, ok := c.addrs[e]; ok {
		p.addrs = &s
	}
	return p
}

// alternative is a conjunction as sections of policies: for each direction
// the subject and the rule's peers and ports. A direction without a subject
// does not concern policies.
type alternative struct {
	sections [2]*section
	bound    bool // by addresses of the inventory
}

type section struct {
	subject model.Subject
	anyPeer bool
	peers   []model.Peer
	anyPort bool
	ports   []model.Port
}

// lower turns a conjunction into sections. It returns nil when no connection
// that policies govern can match.
func (t *residual) lower(c conj) (*alternative, error) {
	src, dst := c.partyOf(srcEnd), c.partyOf(dstEnd)
	ends := [2]struct {
		d             model.Direction
		subject, peer *party
		name          endID // of the subject
		other         endID
	}{
		{model.Egress, &src, &dst, srcEnd, dstEnd},
		{model.Ingress, &dst, &src, dstEnd, srcEnd},
	}
	out := &alternative{}
	for _, x := range ends {
		if !x.peer.pods && !x.peer.nodes && !x.peer.outside {
			return nil, nil
		}
		governs, err := t.governs(x.subject, x.name)
		if err != nil {
			return nil, err
		}
		out.bound = out.bound || x.subject.addrs != nil
		if !governs {
			continue
		}
		s := &section{subject: model.Subject{
			Namespaces: model.NamespaceMatch{Selector: model.NewSelector(slices.Clone(x.subject.namespaces))},
			Pods:       model.NewSelector(slices.Clone(x.subject.labels)),
		}}
		if s.anyPeer, s.peers, err = t.peers(x.peer, x.other); err != nil {
			return nil, err
		}
		if !s.anyPeer && len(s.peers) == 0 {
			continue
		}
		if s.anyPort, s.ports, err = portsOf(c.traffic); err != nil {
			return nil, err
		}
		out.sections[x.d] = s
	}
	if out.sections[0] == nil && out.sections[1] == nil {
		return nil, nil
	}
	return out, nil
}

// governs reports whether the party has pods. By address, it has them only if
// the inventory does, and then policies cannot select them.
func (t *residual) governs(p *party, e endID) (bool, error) {
	if !p.pods || p.addrs == nil {
		return p.pods, nil
	}
	if where, found := t.inv.podIn(*p.addrs); found {
		return false, &refusal{
			code:    codeAddresses,
			message: fmt.Sprintf("the condition on input.%v.ip covers %s: pods are selected by label, not by address", e, where),
			hint:    fmt.Sprintf("leave the cluster's pod ranges out with not net.cidr_contains(\"...\", input.%v.ip), and select pods by labels", e),
		}
	}
	if p.addrs.absent {
		return false, &refusal{
			code:    codeAddresses,
			message: fmt.Sprintf("the condition on input.%v.ip also holds for pods that have no address yet", e),
			hint:    fmt.Sprintf("write not net.cidr_contains(..., input.%v.ip) in the rule itself, where it demands an address, and not in a helper under not", e),
		}
	}
	return false, nil
}

// peers returns the peers that the party is, exactly.
func (t *residual) peers(p *party, e endID) (anyPeer bool, out []model.Peer, err error) {
	if p.addrs != nil {
		return t.blocks(p, e)
	}
	if p.outside {
		if p.everyPod() && p.everyNode() {
			return true, nil, nil
		}
		what := "the condition on input." + e.String()
		switch {
		case !p.pods && !p.nodes:
			return false, nil, &refusal{
				code:    codeKinds,
				message: fmt.Sprintf("%s is on addresses outside the cluster; policies need address blocks for them", what),
				hint:    fmt.Sprintf("name the addresses: net.cidr_contains(\"0.0.0.0/0\", input.%v.ip), and leave out the cluster's ranges with not net.cidr_contains(\"...\", input.%v.ip)", e, e),
			}
		default:
			return false, nil, &refusal{
				code:    codeKinds,
				message: fmt.Sprintf("%s also holds for addresses outside the cluster, which have no labels and no namespace", what),
				hint:    fmt.Sprintf(`if only the cluster is meant, add input.%v.kind == "pod"; to except some from everyone, allow or pass those with a lower priority number and deny without a condition on input.%v`, e, e),
			}
		}
	}
	if p.pods {
		out = append(out, model.Peer{
			Kind:       model.PeerPods,
			Namespaces: model.NamespaceMatch{Selector: model.NewSelector(slices.Clone(p.namespaces))},
			Pods:       model.NewSelector(slices.Clone(p.labels)),
		})
	}
	if p.nodes {
		out = append(out, model.Peer{Kind: model.PeerNodes, Nodes: model.NewSelector(slices.Clone(p.labels))})
	}
	return false, out, nil
}

// blocks returns address blocks. They match whoever has the address, so other
// conditions must not matter for those who do.
func (t *residual) blocks(p *party, e endID) (anyPeer bool, out []model.Peer, err error) {
	cannot := func(where string) error {
		return &refusal{
			code:    codeAddresses,
			message: fmt.Sprintf("the condition on input.%v.ip covers %s, to which the rule's other conditions on input.%v do not apply", e, where, e),
			hint:    "an address block matches whoever has the address: leave the cluster's addresses out of it, or the other conditions",
		}
	}
	if !p.everyPod() {
		if where, found := t.inv.podIn(*p.addrs); found {
			return false, nil, cannot(where)
		}
	}
	if !p.everyNode() {
		if where, found := t.inv.nodeIn(*p.addrs); found {
			return false, nil, cannot(where)
		}
	}
	if p.addrs.absent && (p.pods || p.nodes) {
		return false, nil, &refusal{
			code:    codeAddresses,
			message: fmt.Sprintf("the condition on input.%v.ip also holds for pods that have no address yet", e),
			hint:    fmt.Sprintf("write not net.cidr_contains(..., input.%v.ip) in the rule itself, where it demands an address, and not in a helper under not", e),
		}
	}
	if !p.outside {
		return false, nil, cannot("addresses outside the cluster")
	}
	for _, b := range p.addrs.prefixes() {
		out = append(out, model.Peer{Kind: model.PeerBlock, Block: b})
	}
	return false, out, nil
}

// portsOf returns the ports of a rule, exactly.
func portsOf(t *trafficSet) (anyPort bool, out []model.Port, err error) {
	if t == nil || t.full() {
		return true, nil, nil
	}
	if t.hasOther() {
		names := "protocols without ports, such as ICMP"
		if !t.other.inverse {
			names = "protocol " + strings.Join(t.other.sorted(), ", ")
		}
		return false, nil, &refusal{
			code:    codeTraffic,
			message: "the rule's ports include " + names + ", which rules on ports cannot name",
			hint:    `add input.protocol in {"TCP", "UDP", "SCTP"}, or leave out every condition on protocol and port`,
		}
	}
	if slices.Equal(t.ports[0], t.ports[1]) && slices.Equal(t.ports[1], t.ports[2]) {
		for _, r := range t.ports[0] {
			out = append(out, model.Port{Protocol: model.AnyProtocol, Low: uint16(r.low), High: uint16(r.high)})
		}
		return false, out, nil
	}
	for i, p := range ported {
		for _, r := range t.ports[i] {
			out = append(out, model.Port{Protocol: p, Low: uint16(r.low), High: uint16(r.high)})
		}
	}
	return false, out, nil
}

// part is what the policies of one element and subject are collected under.
type part struct {
	dir  model.Direction
	key  string // canonical subject
	subj model.Subject
	// rules by the text of their ports, each with its peers.
	rules map[string]*model.Rule
}

// text is a canonical form of a subject.
func subjectText(s *model.Subject) string { return s.Namespaces.String() + "/" + s.Pods.String() }

// policies gathers the alternatives of one element of one rule: a policy for
// each direction and subject, a rule for each set of ports.
func policies(verdict model.Verdict, e element, pos diag.Pos, alts []*alternative) []model.Policy {
	parts := map[string]*part{}
	for _, a := range alts {
		for d, s := range a.sections {
			if s == nil {
				continue
			}
			key := fmt.Sprintf("%v %s", model.Direction(d), subjectText(&s.subject))
			p := parts[key]
			if p == nil {
				p = &part{dir: model.Direction(d), key: key, subj: s.subject, rules: map[string]*model.Rule{}}
				parts[key] = p
			}
			p.add(verdict, e, pos, s)
		}
	}
	var out []model.Policy
	for _, key := range sortedKeys(parts) {
		p := parts[key]
		pol := model.Policy{
			Kind: "Segment", Name: e.ID, Tier: model.TierSegment, Priority: rank(e.Priority, verdict),
			Part:    fmt.Sprintf("%v %s", verdict, key),
			Subject: p.subj, Pos: pos,
		}
		pol.Subject.Pos = pos
		section := &pol.Sections[p.dir]
		section.Applies, section.Pos = true, pos
		for _, k := range sortedKeys(p.rules) {
			r := p.rules[k]
			r.Peers = uniquePeers(r.Peers)
			section.Rules = append(section.Rules, *r)
		}
		out = append(out, pol)
	}
	return out
}

func (p *part) add(verdict model.Verdict, e element, pos diag.Pos, s *section) {
	key := ""
	for _, q := range s.ports {
		key += q.String() + " "
	}
	r := p.rules[key]
	if r == nil {
		r = &model.Rule{ID: verdict.String(), Verdict: verdict, AnyPort: s.anyPort, Ports: s.ports, Log: e.Log, Pos: pos}
		p.rules[key] = r
	}
	if r.AnyPeer = r.AnyPeer || s.anyPeer; r.AnyPeer {
		r.Peers = nil
		return
	}
	for _, q := range s.peers {
		q.Pos = pos
		r.Peers = append(r.Peers, q)
	}
}

func peerText(p *model.Peer) string {
	switch p.Kind {
	case model.PeerPods:
		return "pods " + p.Namespaces.String() + "/" + p.Pods.String()
	case model.PeerNodes:
		return "nodes " + p.Nodes.String()
	default:
		return "block " + p.Block.String()
	}
}

func uniquePeers(ps []model.Peer) []model.Peer {
	if len(ps) < 2 {
		return ps
	}
	text := make(map[string]model.Peer, len(ps))
	for _, p := range ps {
		text[peerText(&p)] = p
	}
	out := make([]model.Peer, 0, len(text))
	for _, k := range sortedKeys(text) {
		out = append(out, text[k])
	}
	return out
}

// defaultPolicy is the tier's default, behind every rule.
func (m *Modules) defaultPolicy() model.Policy {
	rule := model.Rule{ID: reservedID, Verdict: m.fallback, AnyPeer: true, AnyPort: true, Pos: m.fallbackPos}
	p := model.Policy{
		Kind: "Segment", Name: reservedID, Tier: model.TierSegment, Priority: defaultRank,
		Part: "default", Pos: m.fallbackPos,
	}
	for _, d := range model.Directions {
		p.Sections[d] = model.Section{Applies: true, Rules: []model.Rule{rule}, Pos: m.fallbackPos}
	}
	return p
}

// sortPolicies puts policies in the order in which they decide.
func sortPolicies(ps []model.Policy) {
	slices.SortFunc(ps, func(a, b model.Policy) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Part, b.Part), a.Pos.Compare(b.Pos))
	})
}
