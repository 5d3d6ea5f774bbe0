package compiler

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/compiler/ir"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/model"
)

// emitter numbers what the pods' classes reach and writes the tables. Ports,
// blocks, groups, domains and rules are sorted by content; clauses, tiers,
// profiles and classes are numbered as the sorted pods meet them. Neither
// depends on the order of the input.
type emitter struct {
	*resolved
	p   *ir.Program
	out *artifact.Ruleset

	rules   []artifact.RuleID   // by ir.RuleID
	ports   []artifact.PortsID  // by ir.PortsID
	blocks  []artifact.BlockID  // by ir.BlockID
	groups  []artifact.GroupID  // by ir.GroupID
	domains []artifact.DomainID // by index
	reached []bool              // by ir.GroupID: some clause refers to it
	names   map[string]string   // input path to its name

	clauses  map[string]artifact.ClauseID
	tiers    map[string]artifact.TierID
	tierOf   map[ir.TierID]artifact.TierID
	profiles map[string]artifact.ProfileID
	classes  map[string]artifact.ClassID
}

func emit(r *resolved, p *ir.Program, o Options) *artifact.Ruleset {
	e := &emitter{
		resolved: r, p: p, out: &artifact.Ruleset{},
		clauses:  map[string]artifact.ClauseID{},
		tiers:    map[string]artifact.TierID{},
		tierOf:   map[ir.TierID]artifact.TierID{},
		profiles: map[string]artifact.ProfileID{},
		classes:  map[string]artifact.ClassID{},
	}
	e.header(o)
	e.tables()
	e.membership()
	return e.out
}

func (e *emitter) header(o Options) {
	h := &e.out.Header
	h.Generation, h.Parent, h.Default = o.Generation, o.Parent, artifact.Allow
	if o.DefaultDeny {
		h.Default = artifact.Deny
	}
	for _, in := range e.snap.Inputs {
		h.Inputs = append(h.Inputs, artifact.Input{Name: in.Name, Digest: in.Digest})
	}
	slices.SortFunc(h.Inputs, func(a, b artifact.Input) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.Digest[:], b.Digest[:]))
	})
	h.Inputs = slices.Compact(h.Inputs)
	for i := 1; i < len(h.Inputs); i++ {
		if h.Inputs[i].Name == h.Inputs[i-1].Name {
			h.Inputs[i].Name += "@" + hex.EncodeToString(h.Inputs[i].Digest[:8])
		}
	}
	slices.SortFunc(h.Inputs, func(a, b artifact.Input) int { return cmp.Compare(a.Name, b.Name) })
}

// tables numbers the contents that some class reaches.
func (e *emitter) tables() {
	rules := make([]bool, len(e.p.Rules))
	ports := make([]bool, len(e.p.Ports))
	blocks := make([]bool, len(e.p.Blocks))
	groups := make([]bool, len(e.p.Groups))
	domains := make([]bool, len(e.p.Domains))
	seen := make([]bool, len(e.p.Tiers))
	for c := range e.p.Classes {
		for _, tiers := range e.p.Classes[c].Tiers {
			for _, t := range tiers {
				if seen[t] {
					continue
				}
				seen[t] = true
				for _, r := range e.p.Tiers[t].Isolation {
					rules[r] = true
				}
				for i := range e.p.Tiers[t].Clauses {
					cl := &e.p.Tiers[t].Clauses[i]
					for _, r := range cl.Rules {
						rules[r] = true
					}
					ports[cl.Ports] = true
					switch cl.Peer.Kind {
					case ir.PeerGroup:
						groups[cl.Peer.ID] = true
					case ir.PeerBlock:
						blocks[cl.Peer.ID] = true
					case ir.PeerDomain:
						domains[cl.Peer.ID] = true
					case ir.PeerAny:
					}
				}
			}
		}
	}
	ports[0] = false // always there

	out := &e.out.Program
	e.rules = number[artifact.RuleID](rules, 0, func(a, b int) int { return compareRules(&e.p.Rules[a], &e.p.Rules[b]) },
		func(i int) { out.Rules = append(out.Rules, e.provenance(&e.p.Rules[i])) })

	out.Ports = []artifact.PortSet{nil}
	e.ports = number[artifact.PortsID](ports, 1,
		func(a, b int) int { return slices.CompareFunc(e.p.Ports[a], e.p.Ports[b], comparePortRanges) },
		func(i int) { out.Ports = append(out.Ports, portSet(e.p.Ports[i])) })

	e.blocks = number[artifact.BlockID](blocks, 0,
		func(a, b int) int { return slices.CompareFunc(e.p.Blocks[a], e.p.Blocks[b], compareAddrRanges) },
		func(i int) { out.Blocks = append(out.Blocks, block(e.p.Blocks[i])) })

	e.reached = groups
	e.groups = number[artifact.GroupID](groups, 0,
		func(a, b int) int { return cmp.Compare(e.p.Groups[a].Name, e.p.Groups[b].Name) },
		func(i int) { out.Groups = append(out.Groups, artifact.Group{Name: e.p.Groups[i].Name}) })

	e.domains = number[artifact.DomainID](domains, 0,
		func(a, b int) int { return cmp.Compare(e.p.Domains[a], e.p.Domains[b]) },
		func(i int) { out.Domains = append(out.Domains, artifact.Domain{Name: e.p.Domains[i]}) })
}

// number sorts the used entries, emits them in order and returns the new
// identifiers, which start at first.
func number[T ~uint32](used []bool, first T, compare func(a, b int) int, emit func(i int)) []T {
	var order []int
	for i, u := range used {
		if u {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, compare)
	out := make([]T, len(used))
	for n, i := range order {
		emit(i)
		out[i] = first + T(n)
	}
	return out
}

func compareRules(a, b *ir.Rule) int {
	return cmp.Or(
		cmp.Compare(a.Order, b.Order),
		cmp.Compare(a.Direction, b.Direction),
		cmp.Compare(a.Index, b.Index),
	)
}

func compareAddrRanges(a, b ir.AddrRange) int {
	return cmp.Or(a.Low.Compare(b.Low), a.High.Compare(b.High))
}

func (e *emitter) provenance(r *ir.Rule) artifact.Rule {
	return artifact.Rule{
		Tier:      artifact.TierKind(r.Policy.Tier),
		Direction: artifact.Direction(r.Direction),
		Kind:      r.Policy.Kind, Namespace: r.Policy.Namespace, Name: r.Policy.Name,
		ID:   r.ID,
		File: e.inputName(r.Pos.File), Line: uint32(r.Pos.Line), Col: uint32(r.Pos.Col),
	}
}

// inputName returns the machine-independent name of an input.
func (e *emitter) inputName(path string) string {
	if e.names == nil {
		e.names = make(map[string]string, len(e.snap.Inputs))
		for _, in := range e.snap.Inputs {
			e.names[in.Path] = in.Name
		}
	}
	if name, ok := e.names[path]; ok {
		return name
	}
	return path
}

func portSet(rs []ir.PortRange) artifact.PortSet {
	out := make(artifact.PortSet, len(rs))
	for i, r := range rs {
		out[i] = artifact.PortRange{Protocol: uint8(r.Protocol), Low: r.Low, High: r.High}
	}
	return out
}

func block(rs []ir.AddrRange) artifact.Block {
	out := make(artifact.Block, len(rs))
	for i, r := range rs {
		out[i] = artifact.AddrRange(r)
	}
	return out
}

// intern returns the identifier of key, adding an entry if it is new.
func intern[T ~uint32](m map[string]T, key []byte, add func() T) T {
	if id, ok := m[string(key)]; ok {
		return id
	}
	id := add()
	m[string(key)] = id
	return id
}

func appendIDs[T ~uint32](key []byte, list []T) []byte {
	key = binary.AppendUvarint(key, uint64(len(list)))
	for _, v := range list {
		key = binary.AppendUvarint(key, uint64(v))
	}
	return key
}

func (e *emitter) clause(c *ir.Clause) artifact.ClauseID {
	out := artifact.Clause{
		Verdict: artifact.Verdict(c.Verdict),
		Peer:    artifact.Peer{Kind: artifact.PeerKind(c.Peer.Kind)},
		Ports:   e.ports[c.Ports],
		Log:     c.Log,
	}
	switch c.Peer.Kind {
	case ir.PeerGroup:
		out.Peer.ID = uint32(e.groups[c.Peer.ID])
	case ir.PeerBlock:
		out.Peer.ID = uint32(e.blocks[c.Peer.ID])
	case ir.PeerDomain:
		out.Peer.ID = uint32(e.domains[c.Peer.ID])
	case ir.PeerAny:
	}
	for _, r := range c.Rules {
		out.Rules = append(out.Rules, e.rules[r])
	}
	slices.Sort(out.Rules) // policies are numbered as they decide
	key := []byte{byte(out.Verdict), byte(out.Peer.Kind), 0}
	if out.Log {
		key[2] = 1
	}
	key = binary.AppendUvarint(key, uint64(out.Peer.ID))
	key = binary.AppendUvarint(key, uint64(out.Ports))
	key = appendIDs(key, out.Rules)
	return intern(e.clauses, key, func() artifact.ClauseID {
		e.out.Program.Clauses = append(e.out.Program.Clauses, out)
		return artifact.ClauseID(len(e.out.Program.Clauses) - 1)
	})
}

func (e *emitter) tier(id ir.TierID) artifact.TierID {
	if found, ok := e.tierOf[id]; ok {
		return found
	}
	t := &e.p.Tiers[id]
	out := artifact.Tier{Kind: artifact.TierKind(t.Kind), End: artifact.Pass}
	for i := range t.Clauses {
		out.Clauses = append(out.Clauses, e.clause(&t.Clauses[i]))
	}
	if len(t.Isolation) > 0 {
		out.End = artifact.Deny
		for _, r := range t.Isolation {
			out.EndRules = append(out.EndRules, e.rules[r])
		}
	}
	key := appendIDs(appendIDs([]byte{byte(out.Kind), byte(out.End)}, out.Clauses), out.EndRules)
	found := intern(e.tiers, key, func() artifact.TierID {
		e.out.Program.Tiers = append(e.out.Program.Tiers, out)
		return artifact.TierID(len(e.out.Program.Tiers) - 1)
	})
	e.tierOf[id] = found
	return found
}

func (e *emitter) profile(d model.Direction, tiers []ir.TierID) artifact.ProfileID {
	if len(tiers) == 0 {
		return 0
	}
	out := artifact.Profile{Direction: artifact.Direction(d)}
	for _, t := range tiers {
		out.Tiers = append(out.Tiers, e.tier(t))
	}
	return intern(e.profiles, appendIDs([]byte{byte(d)}, out.Tiers), func() artifact.ProfileID {
		e.out.Program.Profiles = append(e.out.Program.Profiles, out)
		return artifact.ProfileID(len(e.out.Program.Profiles) - 1)
	})
}

func (e *emitter) class(c artifact.Class) artifact.ClassID {
	key := appendIDs(appendIDs(nil, c.Profiles[:]), c.Groups)
	return intern(e.classes, key, func() artifact.ClassID {
		e.out.Membership.Classes = append(e.out.Membership.Classes, c)
		return artifact.ClassID(len(e.out.Membership.Classes) - 1)
	})
}

// membersOf inverts the groups: for each class and each node the groups that
// it is in, ascending.
func (e *emitter) membersOf() (classes, nodes [][]artifact.GroupID) {
	classes = make([][]artifact.GroupID, len(e.p.Classes))
	nodes = make([][]artifact.GroupID, len(e.nodes))
	kept := make([]int, 0, len(e.p.Groups))
	for i := range e.p.Groups {
		if e.reached[i] {
			kept = append(kept, i)
		}
	}
	slices.SortFunc(kept, func(a, b int) int { return cmp.Compare(e.groups[a], e.groups[b]) })
	for _, i := range kept {
		for _, c := range e.p.Groups[i].Classes {
			classes[c] = append(classes[c], e.groups[i])
		}
		for _, n := range e.p.Groups[i].Nodes {
			nodes[n] = append(nodes[n], e.groups[i])
		}
	}
	return classes, nodes
}

func (e *emitter) membership() {
	m := &e.out.Membership
	e.out.Program.Profiles = []artifact.Profile{{}}
	e.class(artifact.Class{})
	classGroups, nodeGroups := e.membersOf()

	classOf := make([]artifact.ClassID, len(e.p.Classes))
	known := make([]bool, len(e.p.Classes))
	for _, c := range e.p.PodClass { // in the order of the sorted pods
		if c == ir.NoClass || known[c] {
			continue
		}
		known[c] = true
		tiers := e.p.Classes[c].Tiers
		classOf[c] = e.class(artifact.Class{
			Profiles: [2]artifact.ProfileID{
				model.Ingress: e.profile(model.Ingress, tiers[model.Ingress]),
				model.Egress:  e.profile(model.Egress, tiers[model.Egress]),
			},
			Groups: classGroups[c],
		})
	}
	for i, n := range e.nodes {
		m.Nodes = append(m.Nodes, artifact.Node{
			Name: n.Name, Class: e.class(artifact.Class{Groups: nodeGroups[i]}),
			Addresses: slices.Clone(n.Addresses), PodCIDRs: masked(n.PodCIDRs),
		})
	}
	m.Endpoints = make([]artifact.Endpoint, len(e.pods))
	for i, p := range e.pods {
		out := artifact.Endpoint{
			Kind: kindOf(p), Namespace: p.Namespace, Name: p.Name, Workload: p.Workload,
			Node: artifact.NoNode,
		}
		if p.Node != "" {
			out.Node = artifact.NodeID(e.nodeID[p.Node])
		}
		if c := e.p.PodClass[i]; c != ir.NoClass {
			out.Class = classOf[c]
		}
		if out.Kind == artifact.EndpointPod || out.Kind == artifact.EndpointHostPod {
			out.Addresses = slices.Clone(p.Addresses)
		}
		m.Endpoints[i] = out
	}
}

func masked(ps []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range ps {
		out = append(out, p.Masked())
	}
	return out
}

func kindOf(p *model.Pod) artifact.EndpointKind {
	switch {
	case p.Finished:
		return artifact.EndpointFinished
	case p.HostNetwork:
		return artifact.EndpointHostPod
	case p.StandIn:
		return artifact.EndpointStandIn
	default:
		return artifact.EndpointPod
	}
}
