package segments

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/gen"
	"github.com/sluice-net/sluice/rego"
	"github.com/sluice-net/sluice/tests/property"
)

var clusters = flag.Int("clusters", 12, "how many generated clusters each module is tried on")

// world turns what a connection has at its ends into what rules see, from the
// snapshot alone.
type world struct {
	snapshot   *model.Snapshot
	oracle     *oracle.Evaluator
	namespaces map[string]model.Labels
	nodes      map[string]*model.Node
}

func newWorld(s *model.Snapshot) *world {
	w := &world{snapshot: s, oracle: oracle.New(s, oracle.Options{}), namespaces: map[string]model.Labels{}, nodes: map[string]*model.Node{}}
	for i := range s.Namespaces {
		w.namespaces[s.Namespaces[i].Name] = s.Namespaces[i].Labels
	}
	for i := range s.Nodes {
		w.nodes[s.Nodes[i].Name] = &s.Nodes[i]
	}
	return w
}

func (w *world) endpoint(e oracle.End) rego.Endpoint {
	if e.Pod == nil && e.Node == nil {
		e = w.oracle.At(e.Addr)
	}
	node := func(name string) rego.Endpoint {
		out := rego.Endpoint{Kind: rego.KindNode, Name: name, IP: e.Addr}
		if n := w.nodes[name]; n != nil {
			out.Labels = n.Labels
		}
		return out
	}
	switch {
	case e.Node != nil:
		return node(e.Node.Name)
	case e.Pod == nil || e.Pod.Finished || e.Pod.HostNetwork && e.Pod.Node == "":
		return rego.Endpoint{Kind: rego.KindIP, IP: e.Addr}
	case e.Pod.HostNetwork:
		return node(e.Pod.Node)
	}
	labels := model.Labels{model.NamespaceNameLabel: e.Pod.Namespace}
	for k, v := range w.namespaces[e.Pod.Namespace] {
		labels[k] = v
	}
	return rego.Endpoint{
		Kind: rego.KindPod, Name: e.Pod.Name, IP: e.Addr, Labels: e.Pod.Labels,
		Namespace: e.Pod.Namespace, NamespaceLabels: labels,
	}
}

// modules returns the hand-written modules; each is loaded with the library
// and the data.
func modules(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/*.rego")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range found {
		if filepath.Base(f) != "library.rego" {
			out = append(out, f)
		}
	}
	return out
}

// TestAgreement: artifacts of generated clusters decide every connection as
// ordinary evaluation of the module does, in both directions, through the
// whole tier; the rule that is named is the one that decides.
func TestAgreement(t *testing.T) {
	for _, module := range modules(t) {
		name := strings.TrimSuffix(filepath.Base(module), ".rego")
		t.Run(name, func(t *testing.T) {
			paths := []string{module, "testdata/library.rego", "testdata/data.yaml"}
			if name == "default-deny" {
				config := filepath.Join(t.TempDir(), "config.yaml")
				if err := os.WriteFile(config, []byte("sluice: {config: {default: deny}}\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				paths = append(paths, config)
			}
			asked, matched := 0, 0
			for seed := range uint64(*clusters) {
				a, m := checkCluster(t, paths, seed+1)
				asked, matched = asked+a, matched+m
			}
			t.Logf("%d questions, %d decided by rules", asked, matched)
			if matched < asked/100 {
				t.Error("too few questions matched a rule")
			}
		})
	}
}

func checkCluster(t *testing.T, paths []string, seed uint64) (asked, matched int) {
	t.Helper()
	ctx := context.Background()
	s := gen.Cluster(gen.Options{Seed: seed, Dense: seed%3 == 0})
	s.Policies = nil
	m, ds, err := rego.Load(paths)
	if err != nil || ds.Has(diag.Error) {
		t.Fatal(err, ds)
	}
	policies, ds := m.Compile(ctx, rego.NewInventory(s))
	if ds.Has(diag.Error) {
		t.Fatal(ds)
	}
	s.Policies = policies
	subject, err := property.New(s, oracle.Options{}, func(s *model.Snapshot) (*artifact.Ruleset, error) {
		rs, ds := compiler.Compile(s, compiler.Options{})
		if rs == nil {
			return nil, fmt.Errorf("%v", ds)
		}
		return rs, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	evaluator, err := m.NewEvaluator()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(s)
	prober := gen.NewProber(s, seed)
	for range 150 {
		c := prober.Next()
		// The artifact against the slow evaluator on the compiled policies.
		if err := subject.Check(c); err != nil {
			t.Fatalf("seed %d: %v: %v", seed, c, err)
		}
		// The slow evaluator against the rules as written.
		in := rego.Input{Src: w.endpoint(c.Src), Dst: w.endpoint(c.Dst), Protocol: c.Protocol, Port: c.Port}
		want, err := evaluator.Decide(ctx, &in)
		if err != nil {
			t.Fatal(err)
		}
		got := w.oracle.Decide(c)
		for d, x := range map[model.Direction]*oracle.Decision{model.Ingress: got.Ingress, model.Egress: got.Egress} {
			if x == nil || x.Basis == oracle.BySelf || x.Basis == oracle.ByLocalNode {
				continue
			}
			asked++
			policy := ""
			verdict := model.Allow // what nothing decides
			if want.Verdict != model.Pass {
				policy, verdict = "Segment/"+want.ID, want.Verdict
				matched++
			}
			if x.Verdict != verdict || x.Policy() != policy {
				t.Fatalf("seed %d: %v of %v: %v by %q, want %v by %q", seed, d, &in, x.Verdict, x.Policy(), verdict, policy)
			}
		}
	}
	return asked, matched
}
