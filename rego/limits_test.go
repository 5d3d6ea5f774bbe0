package rego

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// expect fails unless some finding has the code and the text.
func expect(t *testing.T, ds diag.List, code, text string) {
	t.Helper()
	for _, d := range ds {
		if d.Code == code && strings.Contains(d.String(), text) {
			return
		}
	}
	t.Errorf("no %s with %q in %v", code, text, ds)
}

// TestExplosion: what multiplies data without end is stopped.
func TestExplosion(t *testing.T) {
	var data strings.Builder
	data.WriteString("x: [")
	for i := range 200 {
		fmt.Fprintf(&data, "v%d, ", i)
	}
	data.WriteString("]\n")
	start := time.Now()
	_, ps, ds := compileText(t, `
allow contains {"id": "r"} if {
	some a in data.x
	some b in data.x
	some c in data.x
	some d in data.x
	input.src.labels.a == a
	input.src.labels.b == b
	input.dst.labels.a == c
	input.dst.labels.b == d
}
`, data.String(), testSnapshot())
	if len(ps) > 0 {
		t.Error("it compiled")
	}
	expect(t, ds, codeLimit, "")
	// Two seconds and what a loaded machine makes of them.
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestDoublingText(t *testing.T) {
	var m strings.Builder
	m.WriteString("allow contains {\"id\": \"r\"} if {\n\tx0 := \"aaaaaaaaaaaaaaaa\"\n")
	for i := range 40 {
		fmt.Fprintf(&m, "\tx%d := concat(\"\", [x%d, x%d])\n", i+1, i, i)
	}
	m.WriteString("\tinput.src.labels.a == x40\n}\n")
	_, ps, ds := compileText(t, m.String(), "", testSnapshot())
	if len(ps) > 0 {
		t.Error("it compiled")
	}
	expect(t, ds, codeLimit, "")
}

func TestNegatedProduct(t *testing.T) {
	var m strings.Builder
	m.WriteString("allow contains {\"id\": \"r\"} if {\n\tinput.src.kind == \"pod\"\n\tnot h\n}\n\n")
	for i := range 20 {
		fmt.Fprintf(&m, "h if {\n\tinput.src.labels.a%d == \"x\"\n\tinput.src.labels.b%d == \"y\"\n}\n\n", i, i)
	}
	_, ps, ds := compileText(t, m.String(), "", testSnapshot())
	if len(ps) > 0 {
		t.Error("it compiled")
	}
	expect(t, ds, codeLimit, "more than 4096 alternatives")
}

func TestBadFiles(t *testing.T) {
	for _, c := range []struct{ name, file, text, code, want string }{
		{"list", "d.json", "[1, 2]", codeData, "d.json:1:1: error: the document is a list"},
		{"broken JSON", "d.json", "{\"a\":\n  ]}", codeData, "d.json:2:3: error: invalid JSON"},
		{"two documents", "d.yaml", "a: 1\n---\nb: 2\n", codeData, "more than one YAML document"},
		{"broken YAML", "d.yaml", "a: [1\nb: 2\n", codeData, "d.yaml:"},
		{"number as key", "d.yaml", "1: a\n", codeData, "no string"},
		{"manifest", "d.yaml", "apiVersion: v1\nkind: Pod\n", codeData, "no data for segment rules"},
		{"unknown default", "d.yaml", "sluice:\n  config:\n    default: drop\n", codeData, "d.yaml:3:5: error: data.sluice.config.default is drop"},
		{"unknown setting", "d.yaml", "sluice: {config: {defualt: deny}}\n", codeData, "defualt is not a setting"},
		{"settings are a list", "d.yaml", "sluice: []\n", codeData, "is a list"},
		{"empty module", "x.rego", "", codeSyntax, "x.rego:"},
		{"unknown package", "x.rego", "package sluice.segment\n\nallow contains {\"id\": \"r\"} if input.port == 80\n", codeElement, "package sluice.segment is unknown"},
		{"no segments", "x.rego", "package other\n\nx if input.port == 80\n", codeNothing, "no module is in package sluice.segments"},
		{"data where rules are", "d.yaml", "sluice: {segments: {allow: 1}}\n", codeData, "data.sluice.segments is not a setting"},
		{"old tests", "x_test.rego", "package sluice.segments_test\n\ntest_x { true }\n", codeSyntax, "x_test.rego"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			m, ds, err := Load([]string{dir})
			if err != nil {
				t.Fatal(err)
			}
			expect(t, ds, c.code, c.want)
			if ps, _ := m.Compile(context.Background(), NewInventory(testSnapshot())); len(ps) > 0 {
				t.Error("it compiled")
			}
		})
	}
}

func TestConflictingData(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.yaml": "x: {y: 1}\n", "b.json": `{"x": {"y": 2}}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, ds, err := Load([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, ds, codeData, "data.x.y has another value")
}

func TestMissingPath(t *testing.T) {
	if _, _, err := Load([]string{filepath.Join(t.TempDir(), "nowhere")}); err == nil {
		t.Error("no error")
	}
	f := filepath.Join(t.TempDir(), "rules.txt")
	if err := os.WriteFile(f, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load([]string{f}); err == nil {
		t.Error("no error for a file of another kind")
	}
}

const bundleModule = `package sluice.segments

allow contains {"id": "r"} if input.src.labels.app == data.team.app
`

// TestBundles: a folder with a manifest and an archive give the same policies.
func TestBundles(t *testing.T) {
	files := map[string]string{
		".manifest":          `{"roots": ["sluice", "team"]}`,
		"policy/m.rego":      bundleModule,
		"team/data.json":     `{"app": "web"}`,
		"team/other.json":    `[]`, // no data in a bundle
		"policy/x_test.rego": "package sluice.segments_test\n\ntest_ok if true\n",
	}
	dir := t.TempDir()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range sortedKeys(files) {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(files[name]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: "/" + name, Mode: 0o600, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if err := os.WriteFile(archive, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, arg := range []string{dir, archive} {
		m, ds, err := Load([]string{arg})
		if err != nil || ds.Has(diag.Error) {
			t.Fatal(err, ds)
		}
		if len(m.tests) != 1 {
			t.Errorf("%s: %d test modules", arg, len(m.tests))
		}
		ps, ds := m.Compile(context.Background(), NewInventory(testSnapshot()))
		if ds.Has(diag.Warning) {
			t.Error(ds)
		}
		texts = append(texts, show(ps))
		names := ""
		for _, in := range m.Inputs {
			names += in.Name + " "
		}
		want := "policy/m.rego policy/x_test.rego team/data.json "
		if arg == archive {
			want = "bundle.tar.gz:policy/m.rego bundle.tar.gz:policy/x_test.rego bundle.tar.gz:team/data.json "
		}
		if names != want {
			t.Errorf("inputs %s, want %s", names, want)
		}
	}
	if texts[0] != texts[1] || !strings.Contains(texts[0], "app=web") {
		t.Errorf("folder:\n%s\narchive:\n%s", texts[0], texts[1])
	}
	broken := filepath.Join(t.TempDir(), "broken.tar.gz")
	if err := os.WriteFile(broken, b.Bytes()[:b.Len()/2], 0o600); err != nil {
		t.Fatal(err)
	}
	_, ds, err := Load([]string{broken})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, ds, codeSyntax, "not a readable bundle")
}

// TestFoldersOfData: data goes below the names of folders.
func TestFoldersOfData(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "team", "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"m.rego": strings.ReplaceAll(bundleModule, "team.app", "team.a.app"), "team/a/anything.yaml": "app: web\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, ds, err := Load([]string{dir, dir})
	if err != nil || len(ds) > 0 {
		t.Fatal(err, ds)
	}
	if len(m.Inputs) != 2 {
		t.Errorf("inputs %v", m.Inputs)
	}
}

func TestTierDefault(t *testing.T) {
	for _, c := range []struct {
		text string
		want model.Verdict
	}{{"deny", model.Deny}, {"allow", model.Allow}, {"pass", 0}} {
		_, ps, ds := compileText(t, "allow contains {\"id\": \"r\"} if input.port == 80\n", "sluice: {config: {default: "+c.text+"}}\n", testSnapshot())
		if len(ds) > 0 {
			t.Fatal(ds)
		}
		last := ps[len(ps)-1]
		switch {
		case c.want == 0 && last.Name != "r":
			t.Errorf("%s: a default policy", c.text)
		case c.want != 0 && (last.Name != "default" || last.Sections[model.Egress].Rules[0].Verdict != c.want || last.Pos.Line != 1):
			t.Errorf("%s: %+v", c.text, last)
		}
	}
}

// TestDeterministic: the outcome depends neither on the order of files nor on that of
// the inventory.
func TestDeterministic(t *testing.T) {
	module := `
deny contains {"id": sprintf("%s-%s", [e.from, e.to])} if {
	some e in data.edges
	input.src.labels.a == e.from
	input.dst.labels.a == e.to
}

allow contains {"id": "same"} if input.src.labels.tenant == input.dst.labels.tenant
`
	data := "edges: [{from: z, to: y}, {from: a, to: b}, {from: b, to: a}]\n"
	s := testSnapshot()
	_, ps, ds := compileText(t, module, data, s)
	if ds.Has(diag.Error) {
		t.Fatal(ds)
	}
	want := show(ps)
	s.Pods[0], s.Pods[3] = s.Pods[3], s.Pods[0]
	s.Nodes[0], s.Nodes[1] = s.Nodes[1], s.Nodes[0]
	for range 5 {
		if _, ps, _ := compileText(t, module, data, s); show(ps) != want {
			t.Fatalf("got\n%s\nwant\n%s", show(ps), want)
		}
	}
}

// TestDisagreement: a compiled rule that says something else is an error with
// an example. The disagreement is made here, by changing a policy.
func TestDisagreement(t *testing.T) {
	m, ds := load(t, "package sluice.segments\n\nallow contains {\"id\": \"r\"} if {\n\tinput.src.labels.a == \"1\"\n\tinput.port == 80\n}\n", "")
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	ctx, inv := context.Background(), NewInventory(testSnapshot())
	txn, err := m.transaction(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer m.store.Abort(ctx, txn)
	j := m.jobs()[0]
	undo := instrument(m.compiler)
	m.translate(ctx, j, inv, txn, newBudget(m, []*job{j}, 1))
	undo()
	for i := range j.elements[0].policies {
		for d := range j.elements[0].policies[i].Sections {
			for k := range j.elements[0].policies[i].Sections[d].Rules {
				for n := range j.elements[0].policies[i].Sections[d].Rules[k].Ports {
					j.elements[0].policies[i].Sections[d].Rules[k].Ports[n].High++
				}
			}
		}
	}
	m.validate(ctx, j, inv, txn, newBudget(m, []*job{j}, 1), thorough([]*job{j}))
	expect(t, j.diags, codeDisagree, `TCP port 81, the rule gives nothing and the policy r`)
}

// FuzzModule: whatever the text, loading and compiling end without a panic.
func FuzzModule(f *testing.F) {
	b, err := os.ReadFile("testdata/forms.txt")
	if err != nil {
		f.Fatal(err)
	}
	for chunk := range strings.SplitSeq(string(b), "\n=== ") {
		_, rest, _ := strings.Cut(chunk, "\n")
		module, _, _ := strings.Cut(rest, "\n---")
		f.Add("package sluice.segments\n\n" + module)
	}
	s := testSnapshot()
	f.Fuzz(func(t *testing.T, module string) {
		m := &Modules{data: map[string]any{"apps": []any{"web"}, "set": map[string]any{"web": "db"}}, fallback: model.Pass, Timeout: 500 * time.Millisecond}
		m.modules, m.tests = map[string]*ast.Module{}, map[string]*ast.Module{}
		m.parse(&file{Input: model.Input{Path: "m.rego"}, src: []byte(module)})
		if !m.diags.Has(diag.Error) {
			m.compile()
		}
		ps, ds := m.Compile(context.Background(), NewInventory(s))
		if len(ps) > 0 && ds.Has(diag.Error) {
			t.Error("policies beside errors")
		}
	})
}
