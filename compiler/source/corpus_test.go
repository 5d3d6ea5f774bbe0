package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/internal/diag"
)

const corpus = "../../../shared/corpus"

// TestCorpus loads manifests that other projects publish, where they have
// been fetched to.
func TestCorpus(t *testing.T) {
	dirs, _ := filepath.Glob(filepath.Join(corpus, "netpol-analyzer", "*", ""))
	recipes, _ := filepath.Glob(filepath.Join(corpus, "network-policy-recipes", "*.yaml"))
	if len(dirs)+len(recipes) == 0 {
		t.Skip("no corpus")
	}
	// Directories with something that the Kubernetes API refuses, and what.
	malformed := map[string]string{
		"malformed_pod_example":   "containerPort must be an integer",
		"malformed-pod-example-5": "invalid YAML",
		"example_pods_w_same_owner_and_labels_gap_with_bad_match_expression": "",
		"semanticDiff-same-topologies-illegal-podlist":                       "",
		"cudn_bad_test_1":                "",
		"anp_test_with_empty_port_range": "end 1 is below start 10",
	}
	for _, path := range append(dirs, recipes...) {
		name := filepath.Base(path)
		if info, err := os.Stat(path); err != nil || name == "LICENSE" || info.Name() == "README.md" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s, diags, err := Load([]string{path}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			want, bad := malformed[name]
			bad = bad || strings.Contains(name, "bad_path")
			found := false
			for _, d := range diags {
				if d.Pos.Line == 0 {
					t.Errorf("no position: %s", d)
				}
				if d.Severity != diag.Error {
					continue
				}
				// Of the two selectors of pods, both of which must be there, many
				// policies have one.
				if d.Message == "pods has no podSelector" || d.Message == "pods has no namespaceSelector" {
					continue
				}
				if found = found || bad && want != "" && strings.Contains(d.Message, want); !bad {
					t.Errorf("unexpected: %s", d)
				}
			}
			if want != "" && !found {
				t.Errorf("no error with %q in %v", want, diags)
			}
			if !bad && len(s.Inputs) == 0 && !diags.Has(diag.Error) {
				t.Error("nothing was read")
			}
		})
	}
}
