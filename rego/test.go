package rego

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/sluice-net/sluice/internal/diag"
)

// TestResult is the outcome of one test_ rule.
type TestResult struct {
	Package string // without "data."
	Name    string
	Pos     diag.Pos
	Passed  bool
	Skipped bool   // a todo_ rule
	Message string // why it did not pass
}

// testTimeout bounds one test rule.
const testTimeout = 5 * time.Second

// Test runs the test_ rules of the modules, those of *_test.rego included, as
// OPA's own tester does, with the modules' data. They test the rules as they
// are written; that the compiled ones mean the same, Compile checks.
//
// What keeps the tests from running is in the list.
func (m *Modules) Test(ctx context.Context) ([]TestResult, diag.List) {
	if m.diags.Has(diag.Error) {
		return nil, m.diags
	}
	modules := maps.Clone(m.modules)
	maps.Copy(modules, m.tests)
	c := ast.NewCompiler().WithCapabilities(capabilities()).WithDefaultRegoVersion(ast.RegoV1).WithEnablePrintStatements(true)
	store := inmem.NewFromObject(m.data)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		var ds diag.List
		ds.Errorf("", diag.Pos{}, "open the data of the segment rules: %v", err)
		return nil, ds
	}
	defer store.Abort(ctx, txn)
	transforming.Lock() // the runner compiles
	defer transforming.Unlock()
	results, err := tester.NewRunner().
		SetDefaultRegoVersion(ast.RegoV1).
		SetCompiler(c).
		SetStore(store).
		SetModules(modules).
		SetTimeout(testTimeout).
		CapturePrintOutput(true).
		RunTests(ctx, txn)
	if err != nil {
		before := m.diags
		m.diags = nil
		m.fail(codeInvalid, "", err)
		ds := m.diags
		m.diags = before
		return nil, ds
	}
	var out []TestResult
	for r := range results {
		t := TestResult{
			Package: strings.TrimPrefix(r.Package, "data."), Name: r.Name, Pos: posOf(r.Location),
			Passed: r.Pass(), Skipped: r.Skip,
		}
		switch {
		case r.Error != nil:
			t.Message = r.Error.Error()
		case r.Fail:
			t.Message = "false or undefined"
			if r.FailedAt != nil && r.FailedAt.Location != nil {
				t.Message = fmt.Sprintf("false or undefined: %s (%v)", r.FailedAt.Location.Text, posOf(r.FailedAt.Location))
			}
		}
		if text := strings.TrimSpace(string(r.Output)); text != "" && !t.Passed {
			t.Message += "; it printed: " + text
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b TestResult) int {
		return cmp.Or(a.Pos.Compare(b.Pos), cmp.Compare(a.Package, b.Package), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}
