package rego

import (
	"context"
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// Outcome is what the tier says about a connection.
type Outcome struct {
	Verdict model.Verdict // Pass when the tier leaves the decision to others
	// ID is that of the rule that decides, "default" for the tier's default,
	// or "" when nothing says anything.
	ID string
}

// Evaluator evaluates segment rules as ordinary Rego: the meaning that
// compiled policies have to agree with. It is safe for concurrent use.
type Evaluator struct {
	m    *Modules
	sets map[model.Verdict]ast.Body
}

// NewEvaluator fails if the modules have errors.
func (m *Modules) NewEvaluator() (*Evaluator, error) {
	if m.compiler == nil || m.diags.Has(diag.Error) {
		return nil, errors.New("the modules have errors")
	}
	e := &Evaluator{m: m, sets: map[model.Verdict]ast.Body{}}
	for name, v := range sets {
		ref := segmentsPackage.Append(ast.StringTerm(name))
		if len(m.compiler.GetRulesExact(ref)) > 0 {
			e.sets[v] = ast.NewBody(ast.Equality.Expr(ast.NewTerm(elementVar), ast.NewTerm(ref)))
		}
	}
	return e, nil
}

// Decide evaluates every rule for one connection.
func (e *Evaluator) Decide(ctx context.Context, in *Input) (Outcome, error) {
	txn, err := e.m.transaction(ctx)
	if err != nil {
		return Outcome{}, err
	}
	defer e.m.store.Abort(ctx, txn)
	transforming.RLock()
	defer transforming.RUnlock()
	out, best := Outcome{Verdict: model.Pass}, int32(defaultRank+1)
	if e.m.fallback != model.Pass {
		out, best = Outcome{e.m.fallback, reservedID}, defaultRank
	}
	term := in.term()
	for v, body := range e.sets {
		q := topdown.NewQuery(body).WithCompiler(e.m.compiler).WithStore(e.m.store).WithTransaction(txn).WithInput(term)
		err := q.Iter(ctx, func(r topdown.QueryResult) error {
			set, ok := r[elementVar].Value.(ast.Set)
			if !ok {
				return nil
			}
			return set.Iter(func(x *ast.Term) error {
				el, err := parseElement(x.Value)
				if err != nil {
					return err
				}
				k := rank(el.Priority, v)
				if k < best || k == best && el.ID < out.ID {
					out, best = Outcome{v, el.ID}, k
				}
				return nil
			})
		})
		if err != nil {
			return Outcome{}, err
		}
	}
	return out, nil
}
