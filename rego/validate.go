package rego

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// How many connections are tried. Evaluation costs as much as a rule has
// disjuncts, so rules over much data get fewer; and rules that differ in
// constants only are tried thoroughly a few times.
const (
	fewWitnesses   = 12
	maxWitnesses   = 200
	allWitnesses   = 40_000  // of all rules that are tried thoroughly together, about
	costPerRule    = 160_000 // witnesses times disjuncts of one rule, about
	representative = 12      // conjunctions of one rule that witnesses are made for
	alike          = 8       // rules of one shape that are tried thoroughly
)

// shape is the text of a rule without its constants.
func shape(r *ast.Rule) string {
	return constant.ReplaceAllString(r.Head.Key.String()+" "+r.Body.String(), "?")
}

var constant = regexp.MustCompile(`__local[0-9]+__|"(?:[^"\\]|\\.)*"|\b[0-9]+\b`)

// thorough marks the first rules of each shape and returns how many those are.
func thorough(jobs []*job) int {
	seen, n := map[string]int{}, 0
	for _, j := range jobs {
		k := shape(j.rule)
		if seen[k]++; seen[k] <= alike {
			j.thorough = true
			n++
		}
	}
	return n
}

// validate compares a rule's policies with full evaluation of the rule.
func (m *Modules) validate(ctx context.Context, j *job, inv *Inventory, txn storage.Transaction, budget *budget, rules int) {
	ctx, end := budget.begin(ctx, j.file)
	defer end()
	var conjs []conj
	for _, c := range j.elements {
		conjs = append(conjs, c.conjs...)
	}
	limit := fewWitnesses
	if j.thorough {
		limit = max(limit, min(maxWitnesses, allWitnesses/max(rules, 1), costPerRule/max(len(conjs), 1)))
	}
	for u := range j.bound {
		if u.field == fieldNamespace && len(inv.values(u)) == 1 {
			return // worked out for no namespace at all: there is no pod
		}
	}
	chosen := sample(conjs)
	s := m.newSpace(j, inv, chosen)
	v := &validator{m: m, j: j, txn: txn, query: queryOf(j.rule), cancel: topdown.NewCancel()}
	defer context.AfterFunc(ctx, v.cancel.Cancel)()
	for _, c := range j.elements {
		for i := range c.policies {
			for d, section := range c.policies[i].Sections {
				if section.Applies {
					v.policies[d] = append(v.policies[d], elementPolicy{&c.policies[i], c.element})
				}
			}
		}
	}
	for _, choice := range s.witnesses(chosen, limit, seedOf(j.pos)) {
		wrong, err := v.check(ctx, s, choice)
		if err != nil {
			m.failed(j, err)
			return
		}
		if wrong == nil {
			continue
		}
		choice = v.shrink(ctx, s, choice)
		if smaller, err := v.check(ctx, s, choice); err == nil && smaller != nil {
			wrong = smaller
		}
		j.diags.Add(diag.Diagnostic{
			Code: codeDisagree, Severity: diag.Error, Pos: j.pos, Object: object(j),
			Message: wrong.String(),
			Hint:    "the rule is written in a way that cannot be compiled faithfully: state its conditions more directly, without not around variables",
		})
		return
	}
}

// seedOf makes the choice of witnesses depend on the rule's place alone.
func seedOf(p diag.Pos) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d:%d", p.Line, p.Col)
	return h.Sum64()
}

// sample picks conjunctions: one of each shape, then the first and last ones.
// Disjuncts that data gives differ in constants only.
func sample(conjs []conj) []conj {
	if len(conjs) <= representative {
		return conjs
	}
	var out []conj
	shapes := map[string]bool{}
	for i := range conjs {
		if k := conjs[i].shape(); !shapes[k] && len(out) < representative-2 {
			shapes[k] = true
			out = append(out, conjs[i])
		}
	}
	return append(out, conjs[len(conjs)/2], conjs[len(conjs)-1])
}

// shape is what conjunctions have in common that differ in constants only.
func (c *conj) shape() string {
	var b strings.Builder
	for _, u := range slices.SortedFunc(maps.Keys(c.values), compareUnknowns) {
		s := c.values[u]
		fmt.Fprintf(&b, "%v %v %v;", u, s.absent, s.inverse)
	}
	for _, e := range []endID{srcEnd, dstEnd} {
		if s, ok := c.addrs[e]; ok {
			fmt.Fprintf(&b, "%v.ip %v;", e, s.absent)
		}
	}
	fmt.Fprintf(&b, "%v", c.traffic != nil)
	return b.String()
}

// validator compares one rule.
type validator struct {
	m     *Modules
	j     *job
	txn   storage.Transaction
	query ast.Body

	// policies by direction, each with its element
	policies [2][]elementPolicy
	cancel   topdown.Cancel
	last     ast.Value // the element that was read last
	element  element
}

type elementPolicy struct {
	*model.Policy
	element element
}

// disagreement is a connection for which a policy does not say what its rule
// does.
type disagreement struct {
	in        Input
	direction model.Direction
	want, got []string // ids of elements
}

func (d *disagreement) String() string {
	list := func(ids []string) string {
		if len(ids) == 0 {
			return "nothing"
		}
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("the compiled rule would not do what the rule says: for %v of %v, the rule gives %s and the policy %s",
		d.direction, &d.in, list(d.want), list(d.got))
}

// check asks the rule and its policies about one connection.
func (v *validator) check(ctx context.Context, s *space, choice []int) (*disagreement, error) {
	in, term := s.input(choice)
	if in.Src.Kind != KindPod && in.Dst.Kind != KindPod {
		return nil, nil // no policy is asked
	}
	want := map[element]bool{}
	err := topdown.NewQuery(v.query).WithCompiler(v.m.compiler).WithStore(v.m.store).WithTransaction(v.txn).
		WithInput(term).WithCancel(v.cancel).WithMetrics(metrics.NoOp()).
		Iter(ctx, func(r topdown.QueryResult) error {
			value := r[elementVar].Value
			if v.last == nil || v.last.Compare(value) != 0 {
				e, err := parseElement(value)
				if err != nil {
					return err
				}
				v.last, v.element = value, e
			}
			want[v.element] = true
			return nil
		})
	if err != nil {
		return nil, err
	}
	for _, d := range model.Directions {
		subject, peer := &in.Dst, &in.Src
		if d == model.Egress {
			subject, peer = peer, subject
		}
		if subject.Kind != KindPod {
			continue
		}
		got := map[element]bool{}
		for _, p := range v.policies[d] {
			if covers(p.Policy, d, subject, peer, &in) {
				got[p.element] = true
			}
		}
		if !maps.Equal(want, got) {
			return &disagreement{in: in, direction: d, want: v.ids(want), got: v.ids(got)}, nil
		}
	}
	return nil, nil
}

func (v *validator) ids(elements map[element]bool) []string {
	var out []string
	for e := range elements {
		out = append(out, e.ID)
	}
	slices.Sort(out)
	return out
}

// shrink makes a choice that shows a disagreement as plain as it can.
func (v *validator) shrink(ctx context.Context, s *space, choice []int) []int {
	for again := true; again; {
		again = false
		for i, f := range s.factors {
			for _, o := range []int{0, f.options - 1} {
				if o == choice[i] {
					break
				}
				c := slices.Clone(choice)
				c[i] = o
				if wrong, err := v.check(ctx, s, c); err == nil && wrong != nil && v.plainer(s, c, choice) {
					choice, again = c, true
					break
				}
			}
		}
	}
	return choice
}

func (v *validator) plainer(s *space, a, b []int) bool {
	x, _ := s.input(a)
	y, _ := s.input(b)
	return len(x.String()) < len(y.String())
}

// covers reports whether a policy has a rule for the connection. It is written
// for this purpose alone, from what model says of each field.
func covers(p *model.Policy, d model.Direction, subject, peer *Endpoint, in *Input) bool {
	section := &p.Sections[d]
	if !section.Applies || !selectsPod(p.Subject.Namespaces, p.Subject.Pods, subject) {
		return false
	}
	for i := range section.Rules {
		if r := &section.Rules[i]; coversPorts(r, in) && coversPeer(r, peer) {
			return true
		}
	}
	return false
}

func coversPorts(r *model.Rule, in *Input) bool {
	return r.AnyPort || slices.ContainsFunc(r.Ports, func(q model.Port) bool {
		return in.Protocol.HasPorts() && (q.Protocol == model.AnyProtocol || q.Protocol == in.Protocol) &&
			q.Low <= in.Port && in.Port <= q.High
	})
}

func coversPeer(r *model.Rule, peer *Endpoint) bool {
	for i := range r.Peers {
		ok := false
		switch q := &r.Peers[i]; q.Kind {
		case model.PeerPods:
			ok = peer.Kind == KindPod && selectsPod(q.Namespaces, q.Pods, peer)
		case model.PeerNodes:
			ok = peer.Kind == KindNode && selects(q.Nodes, peer.Labels)
		case model.PeerBlock:
			ok = peer.IP.IsValid() && inBlock(q.Block, q.Except, peer.IP)
		default: // nothing else is compiled
		}
		if ok {
			return true
		}
	}
	return r.AnyPeer
}

func inBlock(b netip.Prefix, except []netip.Prefix, a netip.Addr) bool {
	return b.Contains(a) && !slices.ContainsFunc(except, func(x netip.Prefix) bool { return x.Contains(a) })
}

func selectsPod(m model.NamespaceMatch, pods model.Selector, e *Endpoint) bool {
	if m.Name != "" && m.Name != e.Namespace {
		return false
	}
	return (m.Name != "" || selects(m.Selector, e.NamespaceLabels)) && selects(pods, e.Labels)
}

func selects(s model.Selector, labels model.Labels) bool {
	for _, r := range s.Requirements {
		v, ok := labels[r.Key]
		switch r.Op {
		case model.In:
			ok = ok && slices.Contains(r.Values, v)
		case model.NotIn:
			ok = !ok || !slices.Contains(r.Values, v)
		case model.Exists:
		case model.DoesNotExist:
			ok = !ok
		default:
			ok = false
		}
		if !ok {
			return false
		}
	}
	return true
}
