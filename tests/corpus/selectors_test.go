package corpus

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"
)

var admin = regexp.MustCompile(`(?m)^apiVersion: *policy\.networking\.k8s\.io/v1alpha1\b`)

// bothSelectors returns dir, or a copy of it in which "pods" of every
// AdminNetworkPolicy and BaselineAdminNetworkPolicy has both of its selectors:
// v1alpha1 requires namespaceSelector and podSelector, and {} is how it spells
// what the list's author takes a missing one for.
func bothSelectors(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.y*ml"))
	if err != nil {
		t.Fatal(err)
	}
	changed := map[string][]byte{}
	added := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !admin.Match(text) {
			continue
		}
		var out bytes.Buffer
		enc := yaml.NewEncoder(&out)
		before := added
		for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
			var doc yaml.Node
			if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			added += addSelectors(&doc)
			if err := enc.Encode(&doc); err != nil {
				t.Fatal(err)
			}
		}
		if added > before {
			changed[filepath.Base(file)] = out.Bytes()
		}
	}
	if added == 0 {
		return dir
	}
	t.Logf("repaired: %d selectors that v1alpha1 requires are added", added)
	copied := filepath.Join(t.TempDir(), filepath.Base(dir))
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for name, text := range changed {
		file := filepath.Join(copied, name)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

// addSelectors adds what is missing below n and says how much that was.
func addSelectors(n *yaml.Node) int {
	added := 0
	for _, c := range n.Content {
		added += addSelectors(c)
	}
	if n.Kind != yaml.MappingNode {
		return added
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		pods := n.Content[i+1]
		if n.Content[i].Value != "pods" || pods.Kind != yaml.MappingNode {
			continue
		}
		missing := map[string]bool{"namespaceSelector": true, "podSelector": true}
		for j := 0; j+1 < len(pods.Content); j += 2 {
			delete(missing, pods.Content[j].Value)
		}
		for _, key := range []string{"namespaceSelector", "podSelector"} {
			if missing[key] {
				pods.Content = append(pods.Content,
					&yaml.Node{Kind: yaml.ScalarNode, Value: key},
					&yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle})
				added++
			}
		}
	}
	return added
}
