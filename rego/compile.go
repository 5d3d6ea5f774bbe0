package rego

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// Limits on what one rule may become.
const (
	maxRuleAlternatives = 50_000
	maxAlternatives     = 4096 // of one residual
)

// transforming is held while OPA, or this package, transforms syntax trees:
// that writes to constants which OPA shares between all trees (the values that
// they have already, so readers see no change, but it is a data race).
var transforming sync.RWMutex

// job is one rule on its way.
type job struct {
	rule    *ast.Rule
	verdict model.Verdict
	pos     diag.Pos
	file    string

	thorough bool // check it on many connections
	elements []*compiled
	bound    map[unknown]bool
	diags    diag.List
}

// compiled is one element of a rule with everything that it became.
type compiled struct {
	element
	alternatives []*alternative
	conjs        []conj // what they came from, for witnesses
	policies     []model.Policy
}

// Compile compiles the rules for a cluster. The policies are those of the
// segment tier, in the order in which they decide; none when there is an
// error. What Load found is not repeated.
func (m *Modules) Compile(ctx context.Context, inv *Inventory) ([]model.Policy, diag.List) {
	var ds diag.List
	if m.compiler == nil {
		return nil, nil
	}
	txn, err := m.transaction(ctx)
	if err != nil {
		ds.Errorf(codeInvalid, diag.Pos{}, "read the data: %v", err)
		return nil, ds
	}
	defer m.store.Abort(ctx, txn)
	jobs := m.jobs()
	budget := newBudget(m, jobs, 1)

	// One rule after the other: see transforming.
	transforming.Lock()
	undo := func() {}
	if !m.unmarked {
		undo = instrument(m.compiler)
	}
	for _, j := range jobs {
		m.translate(ctx, j, inv, txn, budget)
	}
	undo()
	transforming.Unlock()
	valid := !m.diags.Has(diag.Error)
	for _, j := range jobs {
		valid = valid && !j.diags.Has(diag.Error)
	}
	if valid {
		budget = newBudget(m, jobs, 2)
		rules := thorough(jobs)
		transforming.RLock()
		parallel(jobs, func(j *job) { m.validate(ctx, j, inv, txn, budget, rules) })
		transforming.RUnlock()
	}
	var out []model.Policy
	for _, j := range jobs {
		ds = append(ds, j.diags...)
		for _, e := range j.elements {
			out = append(out, e.policies...)
		}
	}
	ds = append(ds, sameIDs(jobs)...)
	ds = slices.DeleteFunc(ds, func(d diag.Diagnostic) bool { return slices.Contains(m.diags, d) })
	ds.Sort()
	ds = slices.Compact(ds)
	if ds.Has(diag.Error) || m.diags.Has(diag.Error) {
		return nil, ds
	}
	if m.fallback != model.Pass {
		out = append(out, m.defaultPolicy())
	}
	sortPolicies(out)
	return distinct(out), ds
}

// distinct drops a policy that two rules both became: they have one text.
func distinct(ps []model.Policy) []model.Policy {
	seen := map[string]int{}
	out := ps[:0]
	for _, p := range ps {
		key := p.Name + "\x00" + p.Part
		if n := seen[key]; n > 0 {
			seen[key]++
			p.Part = fmt.Sprintf("%s #%d", p.Part, n+1)
		} else {
			seen[key] = 1
		}
		out = append(out, p)
	}
	return out
}

// jobs returns the rules of the sets, in the order of the text.
func (m *Modules) jobs() []*job {
	var out []*job
	for _, p := range sortedKeys(m.compiler.Modules) {
		mod := m.compiler.Modules[p]
		if !mod.Package.Path.Equal(segmentsPackage) {
			continue
		}
		for _, r := range mod.Rules {
			name, _ := r.Head.Ref()[0].Value.(ast.Var)
			if v, ok := sets[string(name)]; ok && r.Head.Key != nil && len(r.Head.Ref()) == 1 {
				out = append(out, &job{rule: r, verdict: v, pos: posOf(r.Location), file: p, bound: map[unknown]bool{}})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *job) int { return a.pos.Compare(b.pos) })
	return out
}

// parallel runs f for every job, on every processor.
func parallel(jobs []*job, f func(*job)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(jobs) {
					return
				}
				f(jobs[i])
			}
		})
	}
	wg.Wait()
}

// budget is the time that is left to each module.
type budget struct {
	mu   sync.Mutex
	left map[string]time.Duration
}

// perRule is added to a module's time for each of its rules.
const perRule = 2 * time.Millisecond

func newBudget(m *Modules, jobs []*job, times int) *budget {
	each := m.Timeout
	if each == 0 {
		each = DefaultTimeout
	}
	b := &budget{left: map[string]time.Duration{}}
	for _, j := range jobs {
		if _, ok := b.left[j.file]; !ok {
			b.left[j.file] = time.Duration(times) * each
		}
		b.left[j.file] += time.Duration(times) * perRule
	}
	return b
}

// begin returns a context that ends when the module has had its time, and
// what to call at the end.
func (b *budget) begin(ctx context.Context, file string) (context.Context, func()) {
	b.mu.Lock()
	left := b.left[file]
	b.mu.Unlock()
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, left)
	return ctx, func() {
		cancel()
		b.mu.Lock()
		b.left[file] -= time.Since(start)
		b.mu.Unlock()
	}
}

// translate turns one rule into policies.
func (m *Modules) translate(ctx context.Context, j *job, inv *Inventory, txn storage.Transaction, budget *budget) {
	ctx, end := budget.begin(ctx, j.file)
	defer end()
	queries, support, err := partial(ctx, m.compiler, m.store, txn, j.rule)
	if err != nil {
		m.failed(j, err)
		return
	}
	t := &residual{
		ctx: ctx, inv: inv, support: supportRules(support), bound: j.bound,
		eval: func(ctx context.Context, body ast.Body) (bool, error) { return m.holds(ctx, body, txn) },
	}
	byElement := map[element]*compiled{}
	total := 0
	for _, q := range queries {
		if ctx.Err() != nil {
			m.failed(j, ctx.Err())
			return
		}
		e, f, err := t.query(q, j)
		if err != nil {
			m.failed(j, err)
			return
		}
		alts, err := alternatives(f, false, maxAlternatives)
		if err == nil {
			if total += len(alts); total > maxRuleAlternatives {
				err = tooMany{maxRuleAlternatives}
			}
		}
		if err != nil {
			m.failed(j, err)
			return
		}
		c := byElement[e]
		if c == nil {
			c = &compiled{element: e}
			byElement[e] = c
			j.elements = append(j.elements, c)
		}
		for _, a := range alts {
			for _, part := range a.split() {
				if err := t.add(c, part); err != nil {
					m.failed(j, err)
					return
				}
			}
		}
	}
	slices.SortFunc(j.elements, func(a, b *compiled) int { return compareElements(a.element, b.element) })
	bound := len(j.bound) > 0
	matches := false
	for _, c := range j.elements {
		c.policies = policies(j.verdict, c.element, j.pos, c.alternatives)
		matches = matches || len(c.policies) > 0
		for _, a := range c.alternatives {
			bound = bound || a.bound
		}
	}
	if !matches {
		j.diags.Add(diag.Diagnostic{
			Code: codeNever, Severity: diag.Warning, Pos: j.pos, Object: object(j),
			Message: "the rule never matches: its conditions contradict each other, or the data and the inventory have nothing for it",
			Hint:    "check the spelling of labels and values, and that the data is given",
		})
	}
	if bound {
		j.diags.Add(diag.Diagnostic{
			Code: codeInventory, Severity: diag.Note, Pos: j.pos, Object: object(j),
			Message: "the rule was worked out for the label values and addresses of this inventory",
			Hint:    "compile again when new values appear; the controller does",
		})
	}
}

// object names a job's rule where it has one element.
func object(j *job) string {
	if len(j.elements) == 1 {
		return "Segment/" + j.elements[0].ID
	}
	return ""
}

// query translates one residual.
func (t *residual) query(q ast.Body, j *job) (element, formula, error) {
	var rest ast.Body
	var head *ast.Term
	for _, e := range q {
		if v, term := assignment(e); term != nil && v == elementVar {
			head = term
			continue
		}
		rest = append(rest, e)
	}
	if head == nil || !ast.IsConstant(head.Value) {
		return element{}, nil, &refusal{
			code: codeElement, pos: j.pos,
			message: "the element depends on the connection; it must be constant",
			hint:    "build id and the other fields from data, not from input",
		}
	}
	e, err := parseElement(head.Value)
	if err != nil {
		return e, nil, &refusal{
			code: codeElement, pos: j.pos, message: err.Error(),
			hint: `write {"id": "web-to-db", "priority": 100}, or rego.metadata.rule() with title and custom.sluice annotations`,
		}
	}
	f, err := t.body(rest)
	return e, f, err
}

// add lowers a conjunction and adds it to an element.
func (t *residual) add(c *compiled, part conj) error {
	if len(part.values) == 0 && len(part.addrs) == 0 && (part.traffic == nil || part.traffic.full()) && !c.MatchAll {
		return &refusal{
			code:    codeMatchAll,
			message: "the rule has no condition: it matches every connection",
			hint:    `add conditions, or matchAll: true to the element or its custom.sluice annotation`,
		}
	}
	a, err := t.lower(part)
	if a != nil {
		c.alternatives = append(c.alternatives, a)
	}
	c.conjs = append(c.conjs, part)
	return err
}

// failed reports why a rule does not compile.
func (m *Modules) failed(j *job, err error) {
	d := diag.Diagnostic{Severity: diag.Error, Pos: j.pos}
	var r *refusal
	var many tooMany
	switch {
	case errors.As(err, &r):
		d.Code, d.Message, d.Hint = r.code, r.message, r.hint
		if r.pos.Line > 0 {
			d.Pos = r.pos
		}
	case errors.As(err, &many):
		d.Code, d.Message = codeLimit, many.Error()
		d.Hint = "write it as several rules, or with fewer alternatives under not"
	case errors.Is(err, errMemory):
		d.Code, d.Message = codeLimit, "the rule is too large to compile: "+err.Error()
		d.Hint = "let it range over fewer combinations of data"
	case tooCostly(err):
		d.Code, d.Message = codeLimit, "the rules of this module take too long to compile"
		d.Hint = "let them range over fewer combinations of data; look values up by key instead of searching lists"
	default:
		d.Code, d.Message = codeInvalid, strings.Join(strings.Fields(err.Error()), " ")
	}
	j.diags.Add(d)
	j.elements = nil
}

// holds evaluates a body without unknowns.
func (m *Modules) holds(ctx context.Context, body ast.Body, txn storage.Transaction) (bool, error) {
	text := body.String()
	compiled, err := m.compiler.QueryCompiler().Compile(body)
	if err != nil {
		return false, &refusal{code: codeForm, message: fmt.Sprintf("%s cannot be compiled", strings.ReplaceAll(text, "\n", " ")), hint: hintForms}
	}
	found := false
	cancel := topdown.NewCancel()
	defer context.AfterFunc(ctx, cancel.Cancel)()
	err = topdown.NewQuery(compiled).WithCompiler(m.compiler).WithStore(m.store).WithTransaction(txn).WithCancel(cancel).WithMetrics(metrics.NoOp()).
		Iter(ctx, func(topdown.QueryResult) error { found = true; return nil })
	return found, err
}

// sameIDs warns of rules that share an id without being the same element.
func sameIDs(jobs []*job) diag.List {
	var ds diag.List
	type first struct {
		element element
		verdict model.Verdict
		pos     diag.Pos
	}
	seen := map[string]first{}
	for _, j := range jobs {
		for _, e := range j.elements {
			f, ok := seen[e.ID]
			if !ok {
				seen[e.ID] = first{e.element, j.verdict, j.pos}
				continue
			}
			if f.verdict != j.verdict || f.element.Priority != e.Priority {
				ds.Add(diag.Diagnostic{
					Code: codeSameID, Severity: diag.Warning, Pos: j.pos, Object: "Segment/" + e.ID,
					Message: fmt.Sprintf("the id is also that of a rule with another verdict or priority (%v)", f.pos),
					Hint:    "give each an id of its own, so that reports tell them apart",
				})
			}
		}
	}
	return ds
}
