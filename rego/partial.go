package rego

import (
	"context"
	"errors"
	"fmt"
	heapmetrics "runtime/metrics"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// marker is compared with variables to keep them defined; no label, name or
// address has this value.
const marker = "\x00defined"

// elementVar is the query's variable for the element; it is no name that a
// rule can have.
const elementVar = ast.Var("the element")

// keepDefined puts "v != marker" before each negated expression that uses the
// variable v of its body.
//
// In x := input.src.labels.a; not x == "1" the rule does not hold where the
// label is absent. Partial evaluation replaces x by the label, which leaves
// not input.src.labels.a == "1", and that does. With the comparison the label
// is required, and nothing else changes: a variable of a body is always
// defined, and never the marker.
func keepDefined(b ast.Body) ast.Body {
	out := make(ast.Body, 0, len(b))
	for _, e := range b {
		if e.Negated {
			for _, v := range outerVars(e) {
				x := ast.NotEqual.Expr(ast.NewTerm(v), ast.StringTerm(marker))
				x.Location = e.Location
				out = append(out, x)
			}
		}
		out = append(out, compareDefined(e, len(out))...)
		out = append(out, e)
	}
	return out
}

// compareDefined does the same for a comparison of two references that may
// turn out to be one: partial evaluation drops a == a, which demands that a is
// defined. Such references end in the same key.
func compareDefined(e *ast.Expr, n int) ast.Body {
	if e.Negated || len(e.With) > 0 || !e.IsEquality() || len(e.Operands()) != 2 {
		return nil
	}
	a, isRef := e.Operand(0).Value.(ast.Ref)
	b, both := e.Operand(1).Value.(ast.Ref)
	if !isRef || !both || a.HasPrefix(ast.DefaultRootRef) || b.HasPrefix(ast.DefaultRootRef) {
		return nil
	}
	x, y := a[len(a)-1], b[len(b)-1]
	if ast.IsConstant(x.Value) && ast.IsConstant(y.Value) && !x.Equal(y) {
		return nil
	}
	v := ast.NewTerm(ast.Var(fmt.Sprintf("__local_defined%d__", n)))
	out := ast.Body{ast.Equality.Expr(v, e.Operand(0)), ast.NotEqual.Expr(v, ast.StringTerm(marker))}
	for _, x := range out {
		x.Location = e.Location
	}
	return out
}

// outerVars returns the variables of e that its body binds, sorted.
func outerVars(e *ast.Expr) []ast.Var {
	vars := e.Vars(ast.VarVisitorParams{SkipRefCallHead: true, SkipClosures: true})
	var out []ast.Var
	for _, v := range vars.Sorted() {
		if !ast.RootDocumentNames.Contains(ast.NewTerm(v)) && !v.IsWildcard() {
			out = append(out, v)
		}
	}
	return out
}

// instrument applies keepDefined to every rule and returns what undoes it.
func instrument(c *ast.Compiler) (undo func()) {
	var undos []func()
	for _, mod := range c.Modules {
		for _, r := range mod.Rules {
			for r := r; r != nil; r = r.Else {
				was := r.Body
				undos = append(undos, func() { r.Body = was })
				r.Body = keepDefined(r.Body)
			}
		}
	}
	return func() {
		for _, u := range undos {
			u()
		}
	}
}

// queryOf is the query that has a solution for each element of one rule.
func queryOf(r *ast.Rule) ast.Body {
	last := ast.Equality.Expr(ast.NewTerm(elementVar), r.Head.Key)
	last.Location = r.Location
	return append(slices.Clone(r.Body), last)
}

// unknowns are what partial evaluation leaves open.
var unknowns = []*ast.Term{ast.NewTerm(ast.InputRootRef)}

// partial evaluates a rule as far as its data goes.
func partial(ctx context.Context, c *ast.Compiler, store storage.Store, txn storage.Transaction, r *ast.Rule) ([]ast.Body, []*ast.Module, error) {
	cancel := topdown.NewCancel()
	stop := guard(ctx, cancel)
	queries, support, err := topdown.NewQuery(queryOf(r)).
		WithCompiler(c).WithStore(store).WithTransaction(txn).
		WithUnknowns(unknowns).WithCancel(cancel).WithMetrics(metrics.NoOp()).
		PartialRun(ctx)
	if reason := stop(); reason != nil {
		return nil, nil, reason
	}
	return queries, support, err
}

// maxHeap is how much the heap may grow in one evaluation.
const maxHeap = 512 << 20 // bytes

var errMemory = fmt.Errorf("it needs more than %d MiB", maxHeap>>20)

// guard cancels an evaluation when ctx ends or the heap has grown too much.
// The function that it returns ends the watch and says which it was.
func guard(ctx context.Context, cancel topdown.Cancel) func() error {
	done, reason := make(chan struct{}), make(chan error, 1)
	go func() {
		const interval = 10 * time.Millisecond
		tick := time.NewTicker(interval)
		defer tick.Stop()
		before := uint64(0)
		for {
			select {
			case <-done:
				reason <- nil
				return
			case <-ctx.Done():
				cancel.Cancel()
				reason <- ctx.Err()
				return
			case <-tick.C:
				now := heap()
				if before == 0 {
					before = now
				}
				if now > before+maxHeap {
					cancel.Cancel()
					reason <- errMemory
					return
				}
			}
		}
	}()
	return func() error {
		close(done)
		return <-reason
	}
}

func heap() uint64 {
	s := []heapmetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heapmetrics.Read(s)
	return s[0].Value.Uint64()
}

// tooCostly reports whether err is a limit of guard.
func tooCostly(err error) bool {
	return errors.Is(err, errMemory) || errors.Is(err, context.DeadlineExceeded) || topdown.IsCancel(err)
}
