package rego

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/sluice-net/sluice/compiler/source"
	"github.com/sluice-net/sluice/internal/diag"
)

// TestExample compiles the example without a finding and runs its tests.
func TestExample(t *testing.T) {
	ctx := context.Background()
	s, ds, err := source.Load([]string{"../examples/segments/cluster.yaml"}, source.Options{})
	if err != nil || ds.Has(diag.Warning) {
		t.Fatal(err, ds)
	}
	m, ds, err := Load([]string{"../examples/segments/rules"})
	if err != nil {
		t.Fatal(err)
	}
	ps, more := m.Compile(ctx, NewInventory(s))
	if ds = append(ds, more...); len(ds) > 0 {
		t.Fatal(ds)
	}
	if text := show(ps); !strings.Contains(text, "deny nobody-else-reaches-the-restricted-zone ingress of {zone=restricted}/: any") {
		t.Error(text)
	}

	c := ast.NewCompiler().WithCapabilities(capabilities())
	modules := maps.Clone(m.modules)
	maps.Copy(modules, m.tests)
	if c.Compile(modules); c.Failed() {
		t.Fatal(c.Errors)
	}
	txn, err := m.transaction(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer m.store.Abort(ctx, txn)
	ran := 0
	for _, mod := range m.tests {
		for _, r := range mod.Rules {
			name := r.Head.Ref().String()
			if !strings.HasPrefix(name, "test_") {
				continue
			}
			ran++
			ref := mod.Package.Path.Append(ast.StringTerm(name))
			passed := false
			err := topdown.NewQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(ref)))).WithCompiler(c).WithStore(m.store).WithTransaction(txn).
				Iter(ctx, func(topdown.QueryResult) error { passed = true; return nil })
			if err != nil || !passed {
				t.Errorf("%s: %v %v", name, passed, err)
			}
		}
	}
	if ran == 0 {
		t.Error("no tests")
	}
}
