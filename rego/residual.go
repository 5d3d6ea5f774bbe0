package rego

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluice-net/sluice/internal/diag"
)

// refusal is why a residual cannot be translated. It is the user's to mend.
type refusal struct {
	code    string
	pos     diag.Pos // zero: that of the rule
	message string
	hint    string
}

func (r *refusal) Error() string { return r.message }

// residual translates what partial evaluation left of one rule.
type residual struct {
	ctx     context.Context
	eval    func(ctx context.Context, body ast.Body) (bool, error)
	inv     *Inventory
	support map[string][]*ast.Rule // by the text of their reference
	depth   int
	bound   map[unknown]bool // unknowns whose inventory values were used
}

// supportRules indexes the rules that partial evaluation made.
func supportRules(mods []*ast.Module) map[string][]*ast.Rule {
	out := map[string][]*ast.Rule{}
	for _, m := range mods {
		for _, r := range m.Rules {
			name := m.Package.Path.Concat(r.Head.Ref()[1:])
			if v, ok := r.Head.Ref()[0].Value.(ast.Var); ok {
				name = m.Package.Path.Append(ast.StringTerm(string(v)))
				name = name.Concat(r.Head.Ref()[1:])
			}
			out[name.String()] = append(out[name.String()], r)
		}
	}
	return out
}

func refuse(at *ast.Location, hint, format string, args ...any) error {
	return &refusal{code: codeForm, pos: posOf(at), message: fmt.Sprintf(format, args...), hint: hint}
}

// body translates a conjunction of expressions.
func (t *residual) body(b ast.Body) (formula, error) {
	b, defined, err := t.resolveAliases(b)
	if err != nil {
		return nil, err
	}
	out := all(defined)
	parts := components(b)
	for _, group := range parts.groups {
		f, err := t.evaluated(group)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	for _, e := range parts.single {
		f, err := t.expr(e)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// resolveAliases replaces variables that stand for one unknown, and drops
// variables that nothing uses; what they need to be defined is returned.
func (t *residual) resolveAliases(b ast.Body) (ast.Body, []formula, error) {
	var defined []formula
	for again := true; again; {
		again = false
		for i, e := range b {
			v, term := assignment(e)
			if term == nil {
				continue
			}
			rest := append(slices.Clone(b[:i]), b[i+1:]...)
			used := usesVar(rest, v)
			ref, isRef := term.Value.(ast.Ref)
			switch {
			case isRef && ref.HasPrefix(ast.InputRootRef):
				f, err := t.defined(ref, e.Location)
				if err != nil {
					return nil, nil, err
				}
				defined = append(defined, f)
				if used {
					if rest, err = t.substitute(rest, map[ast.Var]*ast.Term{v: term}); err != nil {
						return nil, nil, err
					}
				}
			case !used && !hasCalls(term):
				for _, ref := range inputRefs(term) {
					f, err := t.defined(ref, e.Location)
					if err != nil {
						return nil, nil, err
					}
					defined = append(defined, f)
				}
			default:
				continue
			}
			b, again = rest, true
			break
		}
	}
	return b, defined, nil
}

// assignment returns the variable and the term of "v = term".
func assignment(e *ast.Expr) (ast.Var, *ast.Term) {
	if e.Negated || len(e.With) > 0 || !e.IsEquality() || len(e.Operands()) != 2 {
		return "", nil
	}
	a, b := e.Operand(0), e.Operand(1)
	for range 2 {
		if v, ok := a.Value.(ast.Var); ok {
			if _, both := b.Value.(ast.Var); !both {
				return v, b
			}
		}
		a, b = b, a
	}
	return "", nil
}

// freeVars returns the variables of an expression, without the names of
// functions and documents.
func freeVars(e *ast.Expr) []ast.Var {
	vars := e.Vars(ast.VarVisitorParams{SkipRefCallHead: true})
	return slices.DeleteFunc(vars.Sorted(), func(v ast.Var) bool { return v == "input" || v == "data" })
}

func usesVar(b ast.Body, v ast.Var) bool {
	return slices.ContainsFunc(b, func(e *ast.Expr) bool { return slices.Contains(freeVars(e), v) })
}

// hasCalls reports whether a term is more than data: a call, a comprehension
// or a reference to something else than the input.
func hasCalls(x any) bool {
	found := false
	ast.WalkTerms(x, func(t *ast.Term) bool {
		switch v := t.Value.(type) {
		case ast.Call, *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
			found = true
		case ast.Ref:
			found = found || !v.HasPrefix(ast.InputRootRef)
		}
		return found
	})
	return found
}

func inputRefs(x any) []ast.Ref {
	var out []ast.Ref
	ast.WalkRefs(x, func(r ast.Ref) bool {
		if r.HasPrefix(ast.InputRootRef) {
			out = append(out, r)
		}
		return false
	})
	return out
}

// loose are a body's expressions: those that share variables together.
type loose struct {
	single []*ast.Expr
	groups []ast.Body
}

// components splits a body into expressions without variables and groups of
// expressions that variables hold together.
func components(b ast.Body) loose {
	var out loose
	group := map[ast.Var]int{} // index into sets
	var sets [][]*ast.Expr
	for _, e := range b {
		vars := freeVars(e)
		if len(vars) == 0 {
			out.single = append(out.single, e)
			continue
		}
		n := len(sets)
		sets = append(sets, []*ast.Expr{e})
		for _, v := range vars {
			if m, ok := group[v]; ok && m != n {
				sets[n] = append(sets[m], sets[n]...)
				sets[m] = nil
				for w, k := range group {
					if k == m {
						group[w] = n
					}
				}
			}
			group[v] = n
		}
	}
	for _, s := range sets {
		if s != nil {
			out.groups = append(out.groups, ast.Body(s))
		}
	}
	return out
}

const hintForms = "docs/segments.md lists the conditions that compile"

// expr translates one expression without variables.
func (t *residual) expr(e *ast.Expr) (formula, error) {
	if len(e.With) > 0 {
		return nil, refuse(e.Location, "write the condition out instead", "with cannot be compiled")
	}
	var f formula
	var err error
	switch terms := e.Terms.(type) {
	case *ast.Term:
		f, err = t.truth(terms, e.Location)
	case []*ast.Term:
		f, err = t.call(terms, e.Location)
	case *ast.Every:
		err = refuse(e.Location, "let every range over data or a list, and name the labels one by one",
			"every over what a connection has cannot be compiled")
	default:
		err = refuse(e.Location, hintForms, "%v cannot be compiled", e)
	}
	if err != nil {
		return nil, err
	}
	if e.Negated {
		return not{f}, nil
	}
	return f, nil
}

// truth translates a term that stands alone: it holds unless it is undefined
// or false.
func (t *residual) truth(x *ast.Term, at *ast.Location) (formula, error) {
	switch v := x.Value.(type) {
	case ast.Boolean:
		if v {
			return all{}, nil
		}
		return some{}, nil
	case ast.Ref:
		if v.HasPrefix(ast.InputRootRef) {
			return t.defined(v, at)
		}
		return t.rule(v, nil, at)
	case ast.Call:
		return t.call(v, at)
	case ast.String, ast.Number, ast.Null:
		return all{}, nil
	}
	if !hasCalls(x) && len(inputRefs(x)) == 0 {
		return all{}, nil
	}
	return nil, refuse(at, hintForms, "%v cannot be compiled", x)
}

// rule inlines a rule that partial evaluation made, as a condition.
func (t *residual) rule(name ast.Ref, args []*ast.Term, at *ast.Location) (formula, error) {
	rules, ok := t.support[name.String()]
	text := display(name)
	if !ok {
		return nil, refuse(at, "write it without default and else, as rules that hold or do not hold",
			"%s has default or else, or a value that depends on the connection; its call cannot be compiled", text)
	}
	const maxRules = 32
	if t.depth++; t.depth > maxRules {
		return nil, refuse(at, "write fewer rules under not", "rules are nested more than %d deep", maxRules)
	}
	defer func() { t.depth-- }()
	var out some
	for _, r := range rules {
		value := r.Head.Value
		switch {
		case r.Head.Key != nil || r.Else != nil:
			return nil, refuse(at, `ask with brackets, name["x"], not with in`, "%s cannot be compiled: it is a set that depends on the connection", text)
		case value == nil:
			return nil, refuse(at, hintForms, "%s cannot be compiled", text)
		case r.Default && value.Value.Compare(ast.Boolean(false)) == 0:
			continue // as if it were undefined, where it stands for a condition
		case value.Value.Compare(ast.Boolean(true)) != 0 || r.Default:
			return nil, refuse(at, "write it without default and else, as rules that hold or do not hold",
				"%s cannot be compiled: it has values other than true", text)
		case len(r.Head.Args) != len(args):
			return nil, refuse(at, hintForms, "%s cannot be compiled: it is called with %d arguments", text, len(args))
		}
		body, values := r.Body, map[ast.Var]*ast.Term{}
		for i, a := range r.Head.Args {
			v, ok := a.Value.(ast.Var)
			if !ok {
				return nil, refuse(at, hintForms, "%s cannot be compiled: its parameter %v is no variable", text, a)
			}
			values[v] = args[i]
		}
		body, err := t.substitute(body, values)
		if err != nil {
			return nil, err
		}
		f, err := t.body(body)
		if err != nil {
			if r, ok := err.(*refusal); ok && r.pos.Line == 0 { //nolint:errorlint // made here
				r.pos = posOf(at)
			}
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// display renders a rule's reference as the user knows it.
func display(ref ast.Ref) string {
	s := strings.TrimPrefix(ref.String(), "data.")
	s = strings.TrimPrefix(s, "partial.")
	if strings.HasPrefix(s, "__not") {
		return "the condition under not"
	}
	return strings.TrimPrefix(s, "sluice.segments.")
}

// substitute replaces variables by terms, in a copy.
func (t *residual) substitute(b ast.Body, values map[ast.Var]*ast.Term) (ast.Body, error) {
	if len(values) == 0 {
		return b, nil
	}
	var failed error
	replace := func(x any) (any, error) {
		switch v := x.(type) {
		case ast.Var:
			if to, ok := values[v]; ok {
				return to.Value, nil
			}
		case ast.Ref:
			head, ok := v[0].Value.(ast.Var)
			if !ok || values[head] == nil {
				return x, nil
			}
			switch base := values[head].Value.(type) {
			case ast.Ref:
				return base.Concat(v[1:]), nil
			case ast.Var:
				return ast.Ref(append([]*ast.Term{values[head]}, v[1:]...)), nil
			default:
				failed = refuse(nil, "name the label or field directly", "%v of %v cannot be compiled", v, base)
			}
		}
		return x, nil
	}
	out := make(ast.Body, len(b))
	for i, e := range b {
		x, err := ast.Transform(ast.NewGenericTransformer(replace), e.Copy())
		if err != nil {
			return nil, err
		}
		out[i] = x.(*ast.Expr)
	}
	return out, failed
}
