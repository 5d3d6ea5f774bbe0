package rego

import (
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluice-net/sluice/internal/model"
)

// factor is one thing about a connection that may matter to a rule, and the
// values that are tried.
type factor struct {
	end     endID // that it is about, or noEnd
	kind    bool  // it is the kind of the end; the first option is a pod
	label   bool  // the last option is that the label is absent
	options int
	// set gives the connection the option.
	set func(p *point, option int)
	// satisfies reports whether the option meets a conjunction's condition.
	satisfies func(c *conj, option int) bool
}

// point is a connection in the making.
type point struct {
	kind     [3]string // by endID
	address  [3]int    // which of the addresses of its kind
	name     [3]string // of the namespace
	labels   [3]model.Labels
	nsLabels [3]model.Labels
	protocol model.Protocol
	port     int
}

// space is the connections that are tried on one rule.
type space struct {
	factors   []factor
	addresses map[string][]netip.Addr // by kind and end
	ends      map[string]*knownEnd    // by the choices about them
}

// Values that rules are unlikely to name.
const (
	otherValue     = "zz-other"
	otherNamespace = "zz-namespace"
)

// newSpace collects what the rule's alternatives and its text look at.
func (m *Modules) newSpace(j *job, inv *Inventory, conjs []conj) *space {
	s := &space{addresses: map[string][]netip.Addr{}, ends: map[string]*knownEnd{}}
	for _, e := range []endID{srcEnd, dstEnd} {
		s.kind(e)
	}
	keys, texts := m.mentioned(j.rule)
	for _, u := range unknownsOf(j, conjs, keys) {
		s.label(u, conjs, texts, inv, j.bound[u])
	}
	for _, e := range []endID{srcEnd, dstEnd} {
		s.address(e, conjs, inv)
	}
	s.traffic(conjs)
	return s
}

func (s *space) kind(e endID) {
	names := []string{KindPod, KindNode, KindIP}
	s.factors = append(s.factors, factor{
		end:     e,
		kind:    true,
		options: len(names),
		set:     func(p *point, i int) { p.kind[e] = names[i] },
		satisfies: func(c *conj, i int) bool {
			v, ok := c.values[unknown{end: e, field: fieldKind}]
			return !ok || v.has(names[i])
		},
	})
}

// maxValues is how many of the values that a rule names are tried.
const maxValues = 6

// label adds a label, or the name of a namespace.
//
// Its values are those of the alternatives; of a label that they do not
// mention, the texts of the rule.
func (s *space) label(u unknown, conjs []conj, texts []string, inv *Inventory, bound bool) {
	isName := u.field == fieldNamespace || u.field == fieldNamespaceLabel && u.key == model.NamespaceNameLabel
	var values []string
	add := func(v string) {
		if validLabelValue(v) && (!isName || v != "") && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	known := inv.values(u)
	for i := range conjs {
		for _, v := range conjs[i].values[u].sorted() {
			if _, ok := slices.BinarySearch(known, v); (ok || !bound) && len(values) < maxValues {
				add(v)
			}
		}
	}
	if len(values) == 0 && !bound {
		for _, v := range texts[:min(len(texts), maxValues)] {
			add(v)
		}
	}
	if bound {
		for _, v := range known[:min(len(known), 2*maxValues)] {
			if len(values) < maxValues+2 {
				add(v)
			}
		}
	} else {
		add(otherValue)
		if isName {
			add(otherNamespace)
		} else {
			add("")
		}
	}
	options := len(values)
	if !isName {
		options++ // the last is absence
	}
	s.factors = append(s.factors, factor{
		end:     u.end,
		label:   !isName,
		options: max(options, 1),
		set: func(p *point, i int) {
			switch {
			case i >= len(values):
			case isName:
				p.name[u.end] = values[i]
			case u.field == fieldLabel:
				set(&p.labels[u.end], u.key, values[i])
			default:
				set(&p.nsLabels[u.end], u.key, values[i])
			}
		},
		satisfies: func(c *conj, i int) bool {
			v, ok := c.values[u]
			if !ok {
				return isName || i == len(values)
			}
			if i >= len(values) {
				return v.absent
			}
			return v.has(values[i])
		},
	})
}

func set(l *model.Labels, key, value string) {
	if *l == nil {
		*l = model.Labels{}
	}
	(*l)[key] = value
}

// address adds which address an end has: for pods and nodes some that the
// inventory has, for others those at the edges of blocks.
func (s *space) address(e endID, conjs []conj, inv *Inventory) {
	const few = 12
	var edges []netip.Addr
	inv.once.Do(inv.prepare)
	add := func(a netip.Addr) {
		_, pod := slices.BinarySearchFunc(inv.pods, a, netip.Addr.Compare)
		_, node := slices.BinarySearchFunc(inv.nodes, a, netip.Addr.Compare)
		if a.IsValid() && !pod && !node && !slices.Contains(edges, a) && len(edges) < few {
			edges = append(edges, a)
		}
	}
	for i := range conjs {
		for _, r := range conjs[i].addrs[e].ranges {
			for _, a := range []netip.Addr{r.low, r.high, r.low.Prev(), r.high.Next()} {
				add(a)
			}
		}
	}
	add(netip.MustParseAddr("203.0.113.9"))
	edges = append(edges, netip.MustParseAddr("2001:db8:ffff::9"))
	pick := func(all []netip.Addr) []netip.Addr {
		out := []netip.Addr{{}}
		if len(all) > 0 {
			out = append(out, all[0], all[len(all)-1])
		}
		return out
	}
	s.addresses[KindIP+e.String()] = edges
	s.addresses[KindPod+e.String()] = pick(inv.pods)
	s.addresses[KindNode+e.String()] = pick(inv.nodes)
	s.factors = append(s.factors, factor{
		end:     e,
		options: len(edges),
		set:     func(p *point, i int) { p.address[e] = i },
		satisfies: func(c *conj, i int) bool {
			v, ok := c.addrs[e]
			return !ok || v.contains(edges[i])
		},
	})
}

func (s *space) traffic(conjs []conj) {
	const few = 16
	ports := []int{}
	add := func(n int) {
		if n >= 0 && n <= maxPort && !slices.Contains(ports, n) && len(ports) < few {
			ports = append(ports, n)
		}
	}
	for i := range conjs {
		if t := conjs[i].traffic; t != nil {
			for _, rs := range t.ports {
				for _, r := range rs {
					for _, n := range []int{r.low, r.high, r.low - 1, r.high + 1} {
						add(n)
					}
				}
			}
		}
	}
	add(0)
	add(maxPort)
	protocols := []model.Protocol{model.TCP, model.UDP, model.SCTP, model.ICMP, 47}
	allows := func(c *conj, p model.Protocol, port int) bool {
		if c.traffic == nil {
			return true
		}
		for i, q := range ported {
			if q == p {
				return slices.ContainsFunc(c.traffic.ports[i], func(r portRange) bool {
					return port < 0 || r.low <= port && port <= r.high
				})
			}
		}
		return c.traffic.other.has(protocolName(p))
	}
	s.factors = append(s.factors, factor{
		options:   len(protocols),
		set:       func(p *point, i int) { p.protocol = protocols[i] },
		satisfies: func(c *conj, i int) bool { return allows(c, protocols[i], -1) },
	}, factor{
		options: len(ports),
		set:     func(p *point, i int) { p.port = ports[i] },
		satisfies: func(c *conj, i int) bool {
			return slices.ContainsFunc(ported[:], func(q model.Protocol) bool { return allows(c, q, ports[i]) })
		},
	})
}

// input returns the connection with the chosen options, also as OPA's value.
// Most choices share an end with others, so ends are kept.
func (s *space) input(choice []int) (Input, *ast.Term) {
	var p point
	for i := range s.factors {
		if s.factors[i].end == noEnd {
			s.factors[i].set(&p, choice[i])
		}
	}
	src, dst := s.endpoint(srcEnd, choice), s.endpoint(dstEnd, choice)
	in := Input{Src: src.Endpoint, Dst: dst.Endpoint, Protocol: p.protocol}
	if in.Protocol.HasPorts() {
		in.Port = uint16(p.port)
	}
	return in, in.with(src.term, dst.term)
}

// knownEnd is an end that was chosen before.
type knownEnd struct {
	Endpoint
	term *ast.Term
}

func (s *space) endpoint(e endID, choice []int) *knownEnd {
	var buf [32]byte
	key := append(buf[:0], byte(e))
	for i := range s.factors {
		if s.factors[i].end == e {
			key = append(key, byte(choice[i]))
		}
	}
	if known := s.ends[string(key)]; known != nil {
		return known
	}
	var p point
	p.name[e] = otherNamespace
	for i := range s.factors {
		if s.factors[i].end == e {
			s.factors[i].set(&p, choice[i])
		}
	}
	out := &knownEnd{Endpoint: Endpoint{Kind: p.kind[e]}}
	if addrs := s.addresses[p.kind[e]+e.String()]; len(addrs) > 0 {
		out.IP = addrs[p.address[e]%len(addrs)]
	}
	switch out.Kind {
	case KindPod:
		out.Name, out.Labels = "pod-1", p.labels[e]
		out.Namespace, out.NamespaceLabels = p.name[e], p.nsLabels[e]
		set(&out.NamespaceLabels, model.NamespaceNameLabel, out.Namespace)
	case KindNode:
		out.Name, out.Labels = "node-1", p.labels[e]
	}
	out.term = out.Endpoint.term()
	s.ends[string(key)] = out
	return out
}

// choiceKey is a text that equal choices have.
func choiceKey(choice []int) string {
	b := make([]byte, len(choice))
	for i, o := range choice {
		b[i] = byte(o)
	}
	return string(b)
}

// base returns options that satisfy a conjunction, as far as there are any.
func (s *space) base(c *conj) []int {
	choice := make([]int, len(s.factors))
	for i, f := range s.factors {
		for o := range f.options {
			if f.satisfies(c, o) {
				choice[i] = o
				break
			}
		}
	}
	return choice
}

// witnesses returns choices to try, at most limit of them: every one if they
// are few; else for each conjunction one that satisfies it, those that differ
// from it in one factor, and some that differ in two or more.
func (s *space) witnesses(conjs []conj, limit int, seed uint64) [][]int {
	product := 1
	for _, f := range s.factors {
		if product *= f.options; product > limit {
			break
		}
	}
	var out [][]int
	if product <= limit {
		choice := make([]int, len(s.factors))
		for {
			out = append(out, slices.Clone(choice))
			i := 0
			for ; i < len(choice); i++ {
				if choice[i]++; choice[i] < s.factors[i].options {
					break
				}
				choice[i] = 0
			}
			if i == len(choice) {
				return out
			}
		}
	}
	seen := map[string]bool{}
	add := func(choice []int) {
		if key := choiceKey(choice); !seen[key] && len(out) < limit {
			seen[key] = true
			out = append(out, slices.Clone(choice))
		}
	}
	var bases [][]int
	for i := range conjs {
		b := s.base(&conjs[i])
		bases = append(bases, b)
		add(b)
	}
	if len(bases) == 0 {
		bases = append(bases, make([]int, len(s.factors)))
		add(bases[0])
	}
	dice := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // witnesses, not secrets
	for _, v := range s.variations() {
		for _, b := range bases {
			if len(out) >= limit {
				return out
			}
			was := b[v.factor]
			b[v.factor] = v.option
			add(b)
			b[v.factor] = was
		}
	}
	for tries := 0; tries < 3*limit && len(out) < limit; tries++ {
		c := slices.Clone(bases[dice.IntN(len(bases))])
		if tries%2 == 0 {
			for range 2 + dice.IntN(2) {
				i := dice.IntN(len(c))
				c[i] = dice.IntN(s.factors[i].options)
			}
		} else { // anything, mostly between pods, and traffic as it was
			for i, f := range s.factors {
				if f.end != noEnd && (!f.kind || dice.IntN(4) == 0) {
					c[i] = dice.IntN(f.options)
				}
			}
		}
		add(c)
	}
	return out
}

// variation gives one factor one option.
type variation struct{ factor, option int }

// variations lists every option of every factor, absent labels first: whether
// a label has to be there is what compiling gets wrong most easily.
func (s *space) variations() []variation {
	var first, then []variation
	for i, f := range s.factors {
		for o := range f.options {
			if f.label && o == f.options-1 {
				first = append(first, variation{i, o})
			} else {
				then = append(then, variation{i, o})
			}
		}
	}
	return append(first, then...)
}

// maxKeys is how many label keys of the source are tried that its compiled
// form does not mention.
const maxKeys = 6

// unknownsOf returns the labels and names that the alternatives look at, and
// those that the text of the rule and its helpers mentions: partial evaluation
// may have lost one.
func unknownsOf(j *job, conjs []conj, mentioned []string) []unknown {
	seen := map[unknown]bool{{end: srcEnd, field: fieldNamespace}: true, {end: dstEnd, field: fieldNamespace}: true}
	add := func(u unknown) {
		if u.field == fieldLabel || u.field == fieldNamespace || u.field == fieldNamespaceLabel {
			seen[u] = true
		}
	}
	for i := range conjs {
		for u := range conjs[i].values {
			add(u)
		}
	}
	for u := range j.bound {
		add(u)
	}
	for _, k := range mentioned[:min(len(mentioned), maxKeys)] {
		for _, e := range []endID{srcEnd, dstEnd} {
			for _, f := range []field{fieldLabel, fieldNamespaceLabel} {
				add(unknown{end: e, field: f, key: k})
			}
		}
	}
	var out []unknown
	for u := range seen {
		out = append(out, u)
	}
	slices.SortFunc(out, compareUnknowns)
	return out
}

// mentioned returns what the text of a rule and of what it calls has: strings
// in references that may be keys of labels, and strings that may be values.
func (m *Modules) mentioned(rule *ast.Rule) (keys, texts []string) {
	keySet, textSet, rules := map[string]bool{}, map[string]bool{}, map[*ast.Rule]bool{}
	var visit func(r *ast.Rule)
	visit = func(r *ast.Rule) {
		if rules[r] || len(rules) > 200 {
			return
		}
		rules[r] = true
		ast.WalkTerms(r, func(t *ast.Term) bool {
			if s, ok := t.Value.(ast.String); ok && validLabelValue(string(s)) {
				textSet[string(s)] = true
			}
			_, isRef := t.Value.(ast.Ref)
			return isRef // its strings are keys
		})
		ast.WalkRefs(r, func(ref ast.Ref) bool {
			if ref.HasPrefix(ast.DefaultRootRef) {
				for _, next := range m.compiler.GetRules(ref) {
					visit(next)
				}
				return false
			}
			for i, t := range ref[1:] {
				s, ok := t.Value.(ast.String)
				if !ok || !validLabelKey(string(s)) {
					continue
				}
				previous, _ := ref[i].Value.(ast.String)
				_, local := ref[0].Value.(ast.Var)
				local = local && !ref.HasPrefix(ast.InputRootRef)
				if previous == "labels" || local && i == 0 && !slices.Contains([]string{"labels", "namespace", "kind", "ip", "name"}, string(s)) {
					keySet[string(s)] = true
				}
			}
			return false
		})
	}
	visit(rule)
	return sortedKeys(keySet), sortedKeys(textSet)
}
