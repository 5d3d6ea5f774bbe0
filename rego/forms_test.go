package rego

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// testSnapshot is a small cluster for the forms.
func testSnapshot() *model.Snapshot {
	addr := netip.MustParseAddr
	s := &model.Snapshot{
		Namespaces: []model.Namespace{
			{Name: "web", Labels: model.Labels{model.NamespaceNameLabel: "web", "tier": "web", "tenant": "t1"}},
			{Name: "db", Labels: model.Labels{model.NamespaceNameLabel: "db", "tier": "db", "tenant": "t2"}},
			{Name: "ops", Labels: model.Labels{model.NamespaceNameLabel: "ops"}},
		},
		Nodes: []model.Node{
			{Name: "n1", Labels: model.Labels{"zone": "a"}, Addresses: []netip.Addr{addr("192.0.2.1")}, PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}},
			{Name: "n2", Labels: model.Labels{"zone": "b", "app": "web"}, Addresses: []netip.Addr{addr("192.0.2.2")}},
		},
	}
	pod := func(ns, name, a string, labels model.Labels) {
		s.Pods = append(s.Pods, model.Pod{Namespace: ns, Name: name, Workload: "Pod/" + name, Labels: labels, Node: "n1", Addresses: []netip.Addr{addr(a)}})
	}
	pod("web", "w1", "10.1.0.1", model.Labels{"app": "web", "a": "1", "tenant": "t1"})
	pod("web", "w2", "10.1.0.2", model.Labels{"app": "web", "a": "2", "tenant": "t2"})
	pod("db", "d1", "10.1.0.3", model.Labels{"app": "db", "a": "1"})
	pod("ops", "o1", "10.1.0.4", model.Labels{"app": "prod-agent", "tenant": "t2"})
	pod("ops", "o2", "10.1.0.5", nil)
	return s
}

// load writes a module, and data as YAML if there is any, and loads them.
func load(t testing.TB, module, data string) (*Modules, diag.List) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("m.rego", module)
	if data != "" {
		write("d.yaml", data)
	}
	m, ds, err := Load([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	return m, ds
}

// compileText compiles a module with the package line added.
func compileText(t testing.TB, module, data string, s *model.Snapshot) (*Modules, []model.Policy, diag.List) {
	t.Helper()
	m, ds := load(t, "package sluice.segments\n"+module, data)
	ps, more := m.Compile(context.Background(), NewInventory(s))
	return m, ps, append(ds, more...)
}

func show(ps []model.Policy) string {
	var b strings.Builder
	for _, p := range ps {
		for _, d := range model.Directions {
			for _, r := range p.Sections[d].Rules {
				fmt.Fprintf(&b, "%d %v %s %v of %s:", p.Priority, r.Verdict, p.Name, d, subjectText(&p.Subject))
				if r.AnyPeer {
					b.WriteString(" any")
				}
				for _, q := range r.Peers {
					fmt.Fprintf(&b, " [%s]", peerText(&q))
				}
				if !r.AnyPort {
					b.WriteString(" on")
					for _, q := range r.Ports {
						fmt.Fprintf(&b, " %v", q)
					}
				}
				b.WriteByte('\n')
			}
		}
	}
	return b.String()
}

var update = flag.Bool("update", false, "write the golden files anew")

// TestForms goes through testdata/forms.txt: a module, then the policies that
// it becomes and what is said about it.
func TestForms(t *testing.T) {
	const name = "testdata/forms.txt"
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const data = "apps: [web, api]\nedges: [{from: web, to: db}, {from: db, to: web}]\nset: {web: db, db: web}\nblocks: [203.0.113.0/25, 198.51.100.0/24]\n"
	var out strings.Builder
	for chunk := range strings.SplitSeq(strings.TrimPrefix(string(b), "=== "), "\n=== ") {
		title, rest, _ := strings.Cut(chunk, "\n")
		module, want, _ := strings.Cut(rest, "\n---")
		want = strings.Trim(want, "\n")
		t.Run(title, func(t *testing.T) {
			_, ps, ds := compileText(t, module, data, testSnapshot())
			var got strings.Builder
			for _, d := range ds {
				dir := filepath.Dir(d.Pos.File)
				d.Pos.File, d.Pos.Line = filepath.Base(d.Pos.File), d.Pos.Line-1 // the package
				d.Message = strings.ReplaceAll(d.Message, dir+"/", "")
				if d.Code != codeInventory {
					fmt.Fprintln(&got, d)
				} else {
					fmt.Fprintln(&got, "inventory-bound")
				}
			}
			got.WriteString(show(ps))
			if text := strings.TrimSuffix(got.String(), "\n"); !*update && text != want {
				t.Errorf("got\n%s\nwant\n%s", text, want)
			}
			fmt.Fprintf(&out, "=== %s\n%s\n---\n%s", title, module, got.String())
		})
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(name, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
