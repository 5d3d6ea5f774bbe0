package rego

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// Modules are loaded segment rules and their data.
type Modules struct {
	// Inputs are the files, by path.
	Inputs []model.Input
	// Timeout bounds the work on one module, besides two milliseconds for each
	// of its rules; 0 means DefaultTimeout.
	Timeout time.Duration

	modules     map[string]*ast.Module
	tests       map[string]*ast.Module // *_test.rego; not compiled here
	data        map[string]any
	fallback    model.Verdict // of the tier; Pass unless set
	fallbackPos diag.Pos

	unmarked bool // for tests: let partial evaluation lose what it loses
	diags    diag.List
	compiler *ast.Compiler // nil when the modules do not compile together
	store    storage.Store
}

// DefaultTimeout is how long the rules of one module may take to compile, and
// to be checked as long again.
const DefaultTimeout = 2 * time.Second

// segmentsPackage has the rules. Others may have helpers.
var segmentsPackage = ast.MustParseRef("data.sluice.segments")

// Load reads modules (*.rego), data files (*.json, *.yaml) and OPA bundles
// (folders with a .manifest, *.tar.gz) and compiles the modules together.
//
// What is wrong with a file is in the list; nothing can be compiled then. The
// error is for what could not be read.
func Load(paths []string) (*Modules, diag.List, error) {
	f := finder{seen: map[string]bool{}}
	for _, p := range paths {
		f.argument(p)
	}
	if err := errors.Join(f.errs...); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(f.files, func(a, b file) int { return strings.Compare(a.Path, b.Path) })
	m := &Modules{
		modules: map[string]*ast.Module{}, tests: map[string]*ast.Module{}, data: map[string]any{},
		fallback: model.Pass, diags: f.diags,
	}
	transforming.Lock()
	for i := range f.files {
		file := &f.files[i]
		m.Inputs = append(m.Inputs, file.Input)
		if isModule(file.Path) {
			m.parse(file)
		} else {
			m.addData(file)
		}
	}
	if !m.diags.Has(diag.Error) {
		m.compile()
	}
	transforming.Unlock()
	m.diags.Sort()
	return m, m.diags, nil
}

func (m *Modules) parse(f *file) {
	mod, err := ast.ParseModuleWithOpts(f.Path, string(f.src), ast.ParserOptions{
		RegoVersion: ast.RegoV1, Capabilities: capabilities(), ProcessAnnotation: true,
	})
	switch {
	case err != nil:
		m.fail(codeSyntax, f.Path, err)
	case mod == nil:
		m.diags.Errorf(codeSyntax, diag.Pos{File: f.Path, Line: 1, Col: 1}, "the module is empty")
	case isTest(f.Path):
		m.tests[f.Path] = mod
	default:
		m.modules[f.Path] = mod
	}
}

// fail adds OPA's errors.
func (m *Modules) fail(code, path string, err error) {
	var list ast.Errors
	if !errors.As(err, &list) {
		var one *ast.Error
		if !errors.As(err, &one) {
			m.diags.Errorf(code, diag.Pos{File: path}, "%v", err)
			return
		}
		list = ast.Errors{one}
	}
	for _, e := range list {
		d := diag.Diagnostic{Code: code, Severity: diag.Error, Pos: posOf(e.Location), Message: message(e), Hint: hintFor(e)}
		if d.Pos.File == "" {
			d.Pos.File = path
		}
		m.diags.Add(d)
	}
}

func posOf(l *ast.Location) diag.Pos {
	if l == nil {
		return diag.Pos{}
	}
	return diag.Pos{File: l.File, Line: l.Row, Col: l.Col}
}

// message is the error's text on one line.
func message(e *ast.Error) string {
	parts := []string{e.Message}
	if e.Details != nil && e.Code != ast.ParseErr {
		parts = append(parts, e.Details.Lines()...)
	}
	text := strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
	if len(text) > 500 {
		text = text[:500] + " ..."
	}
	return text
}

func hintFor(e *ast.Error) string {
	switch {
	case e.Code == ast.ParseErr:
		return "this is Rego v1: docs/segments.md has examples"
	case e.Code == ast.RecursionErr:
		return "rules cannot refer to themselves; graph.reachable follows links in data"
	case strings.Contains(e.Message, "undefined function"):
		name := strings.TrimSpace(strings.TrimPrefix(e.Message, "undefined function"))
		if banned(name) {
			return name + " depends on more than its arguments, or is not needed for segment rules: it cannot be used here"
		}
	}
	return ""
}

// compile type-checks the modules together.
func (m *Modules) compile() {
	m.store = inmem.NewFromObjectWithOpts(m.data, inmem.OptReturnASTValuesOnRead(true), inmem.OptRoundTripOnWrite(false))
	c := ast.NewCompiler().
		SetErrorLimit(100).
		WithCapabilities(capabilities()).
		WithDefaultRegoVersion(ast.RegoV1).
		WithStrict(true).
		WithPathConflictsCheck(func(path []string) (bool, error) {
			return m.lookup(path) != nil, nil
		})
	c.Compile(m.modules)
	if c.Failed() {
		m.fail(codeInvalid, "", c.Errors)
		return
	}
	m.checkPackages()
	m.checkHeads(c)
	m.checkReferences(c)
	m.compiler = c
}

// lookup returns the data at path, or nil.
func (m *Modules) lookup(path []string) any {
	var v any = m.data
	for _, k := range path {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = o[k]
	}
	return v
}

// checkPackages finds packages that look like they should have been
// sluice.segments.
func (m *Modules) checkPackages() {
	found := false
	for _, p := range sortedKeys(m.modules) {
		pkg := m.modules[p].Package
		switch {
		case pkg.Path.Equal(segmentsPackage):
			found = true
		case len(pkg.Path) > 1 && pkg.Path[1].Value.Compare(ast.String("sluice")) == 0 && !pkg.Path.HasPrefix(segmentsPackage):
			m.diags.Add(diag.Diagnostic{
				Code: codeElement, Severity: diag.Error, Pos: posOf(pkg.Location),
				Message: fmt.Sprintf("package %s is unknown: below sluice there is only sluice.segments", strings.TrimPrefix(pkg.Path.String(), "data.")),
				Hint:    "put segment rules into package sluice.segments, and helpers into packages of your own",
			})
			found = true
		}
	}
	if !found && len(m.modules) > 0 {
		p := sortedKeys(m.modules)[0]
		m.diags.Add(diag.Diagnostic{
			Code: codeNothing, Severity: diag.Warning, Pos: posOf(m.modules[p].Package.Location),
			Message: "no module is in package sluice.segments, so there are no segment rules",
			Hint:    "the rules allow, deny and pass belong into package sluice.segments",
		})
	}
}

// sets are the names of the rule sets and their verdicts.
var sets = map[string]model.Verdict{"allow": model.Allow, "deny": model.Deny, "pass": model.Pass}

// checkHeads insists that allow, deny and pass are sets.
func (m *Modules) checkHeads(c *ast.Compiler) {
	for _, p := range sortedKeys(c.Modules) {
		mod := c.Modules[p]
		if !mod.Package.Path.Equal(segmentsPackage) {
			continue
		}
		for _, r := range mod.Rules {
			ref := r.Head.Ref()
			name, _ := ref[0].Value.(ast.Var)
			if _, ok := sets[string(name)]; !ok {
				continue
			}
			if len(ref) != 1 || r.Head.RuleKind() != ast.MultiValue || r.Default {
				m.diags.Add(diag.Diagnostic{
					Code: codeElement, Severity: diag.Error, Pos: posOf(r.Location),
					Message: fmt.Sprintf("%s must be a set of rules", name),
					Hint:    fmt.Sprintf(`write %s contains {"id": "..."} if { ... }; the tier's default is data.sluice.config.default`, name),
				})
			}
		}
	}
}

// checkReferences finds references to data that nothing defines, and to parts
// that the input does not have. Under not, such a mistake would always hold.
//
// OPA's type checker could say the latter, given a schema. But partial
// evaluation then drops what does not type-check, also under not, and a typo
// in a helper would go unnoticed.
func (m *Modules) checkReferences(c *ast.Compiler) {
	seen := map[string]bool{}
	for _, p := range sortedKeys(c.Modules) {
		ast.WalkRefs(c.Modules[p], func(ref ast.Ref) bool {
			var d diag.Diagnostic
			switch {
			case ref.HasPrefix(ast.DefaultRootRef):
				missing, ok := m.missing(c, ref)
				if !ok {
					return false
				}
				d = diag.Diagnostic{
					Code: codeUndefined, Message: fmt.Sprintf("data.%s is nowhere defined", missing),
					Hint: "correct the name, or give the data file with --rego; data that may be missing needs an empty value",
				}
			case ref.HasPrefix(ast.InputRootRef):
				n := 1
				for n < len(ref) && ast.IsConstant(ref[n].Value) {
					n++
				}
				_, _, err := unknownOf(ref[:n], ref[0].Location)
				var r *refusal
				if !errors.As(err, &r) {
					return false
				}
				d = diag.Diagnostic{Code: r.code, Message: r.message, Hint: r.hint}
			default:
				return false
			}
			d.Severity, d.Pos = diag.Error, posOf(ref[0].Location)
			if key := d.String(); !seen[key] {
				seen[key] = true
				m.diags.Add(d)
			}
			return false
		})
	}
}

// missing returns the part of a reference that neither rules nor data define.
func (m *Modules) missing(c *ast.Compiler, ref ast.Ref) (string, bool) {
	var path []string
	tree := c.RuleTree.Child(ref[0].Value)
	for _, t := range ref[1:] {
		s, ok := t.Value.(ast.String)
		if !ok {
			return "", false
		}
		path = append(path, string(s))
		if tree != nil {
			if tree = tree.Child(t.Value); tree != nil && len(tree.Values) > 0 {
				return "", false
			}
		}
		if tree == nil && m.lookup(path) == nil {
			return strings.Join(path, "."), true
		}
	}
	return "", false
}

// transaction returns a read transaction on the data.
func (m *Modules) transaction(ctx context.Context) (storage.Transaction, error) {
	return m.store.NewTransaction(ctx, storage.TransactionParams{})
}
