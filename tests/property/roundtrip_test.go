package property_test

import (
	"bytes"
	"testing"
	"testing/fstest"

	"github.com/sluice-net/sluice/compiler/source"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/gen"
	"github.com/sluice-net/sluice/internal/oracle/manifest"
	"github.com/sluice-net/sluice/tests/property"
)

// TestManifestsMeanTheSame writes generated clusters as manifests, reads them
// back, and asks both snapshots and the compiled ruleset the same questions.
func TestManifestsMeanTheSame(t *testing.T) {
	for n := range uint64(300) {
		s := gen.Cluster(gen.Options{Seed: n, Tiers: n%3 != 0, Spoken: true, Dense: n%5 == 0})
		loaded := reload(t, s)
		if loaded == nil {
			t.Fatalf("seed %d: the manifests do not load", n)
		}
		again, err := property.New(loaded, oracle.Options{}, compileWith(model.Allow))
		if err != nil {
			t.Fatalf("seed %d: %v", n, err)
		}
		before, after := oracle.New(s, oracle.Options{}), oracle.New(loaded, oracle.Options{})
		prober := gen.NewProber(s, n)
		for range 50 {
			c := prober.Next()
			q, err := oracle.ParseConnection(loaded, c.String())
			if err != nil {
				t.Fatalf("seed %d: %v", n, err)
			}
			if want, got := summary(before.Decide(c)), summary(after.Decide(q)); want != got {
				t.Fatalf("seed %d: %s: %s, and after loading %s", n, c, want, got)
			}
			if err := again.Check(q); err != nil {
				t.Fatalf("seed %d: %s: after loading: %v", n, c, err)
			}
		}
	}
}

func TestScaleManifestsLoad(t *testing.T) {
	s := gen.Scale(gen.ScaleOptions{Seed: 1, Pods: 2000, DualStack: true})
	loaded := reload(t, s)
	if loaded == nil {
		t.FailNow()
	}
	if len(loaded.Pods) != len(s.Pods) || len(loaded.Policies) != len(s.Policies) ||
		len(loaded.Nodes) != len(s.Nodes) || len(loaded.Namespaces) != len(s.Namespaces) {
		t.Errorf("%d pods, %d policies, %d nodes, %d namespaces", len(loaded.Pods), len(loaded.Policies),
			len(loaded.Nodes), len(loaded.Namespaces))
	}
	workloads := map[string]string{}
	for _, p := range s.Pods {
		workloads[p.Namespace+"/"+p.Name] = p.Workload
	}
	for _, p := range loaded.Pods {
		if want := workloads[p.Namespace+"/"+p.Name]; p.Workload != want {
			t.Fatalf("%s/%s belongs to %s, want %s", p.Namespace, p.Name, p.Workload, want)
		}
	}
}

// reload writes s as manifests and loads them.
func reload(t *testing.T, s *model.Snapshot) *model.Snapshot {
	t.Helper()
	var yaml bytes.Buffer
	if err := manifest.Write(&yaml, s); err != nil {
		t.Fatal(err)
	}
	loaded, ds, err := source.LoadFS(fstest.MapFS{"all.yaml": {Data: yaml.Bytes()}}, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if ds.Has(diag.Error) {
		for _, d := range ds {
			if d.Severity == diag.Error {
				t.Error(d)
			}
		}
		t.Logf("%s", yaml.Bytes())
		return nil
	}
	return loaded
}

// summary is an answer as text.
func summary(a oracle.Answer) string {
	text := a.Verdict.String()
	for _, d := range []*oracle.Decision{a.Egress, a.Ingress} {
		if d == nil {
			text += "; -"
			continue
		}
		text += "; " + d.Verdict.String() + " by " + d.Basis.String() + " " + d.Policy() + " " + d.Rule()
	}
	return text
}
