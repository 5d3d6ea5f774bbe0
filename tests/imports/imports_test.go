// Package imports holds the tree to its arrows: data flows from sources
// through the compiler to the artifact, and from the artifact to the kernel.
package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sluice-net/sluice/"

// allowed lists, for each package of the module, which others of the module it
// may import. A package that is not listed fails the test: give it a place in
// ARCHITECTURE.md first.
var allowed = map[string][]string{
	"internal/diag":            {},
	"internal/artifact":        {},
	"internal/reconcile":       {},
	"internal/model":           {"internal/diag"},
	"compiler/source":          {"compiler/source/document", "compiler/source/object", "internal/diag", "internal/model"},
	"compiler/source/document": {},
	"compiler/source/object":   {"compiler/source/document", "internal/diag", "internal/model"},
	"rego":                     {"internal/diag", "internal/model"},
	"compiler/ir":              {"internal/diag", "internal/model"},
	"compiler":                 {"compiler/ir", "internal/artifact", "internal/diag", "internal/model"},
	"internal/oracle":          {"internal/model"},
	"internal/config":          {},
	"internal/query":           {"internal/artifact"},
	"internal/policytest":      {"compiler/source/document", "internal/artifact", "internal/diag", "internal/query"},
	"internal/verify":          {"internal/artifact", "internal/model", "internal/oracle"},
	"internal/lint":            {"compiler", "internal/artifact", "internal/diag", "internal/model"},
	"enforcer":                 {"internal/artifact"},
	"enforcer/nft":             {"internal/artifact", "internal/reconcile"},
	"cmd/sluiced":              {"enforcer", "enforcer/nft", "internal/artifact"},
}

// tools are packages for tests, demonstrations and the command line, which may
// import what they like; nothing in allowed may import them.
var tools = []string{
	"internal/oracle/cases", "internal/oracle/gen", "internal/oracle/manifest", "internal/oracle/shrink",
	"enforcer/nft/nfttest",
	"internal/testbed", "internal/demo", "cmd/sluice", "examples", "tests",
}

// heavy are what the node daemon must do without: it holds no policy logic.
var heavy = []string{
	module + "compiler", module + "rego", module + "internal/model",
	"github.com/open-policy-agent/opa", "k8s.io/api", "k8s.io/client-go/kubernetes",
}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func under(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}

func TestArrows(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(p.ImportPath, module)
		may, known := allowed[name]
		if under(name, tools) {
			continue
		}
		if !known {
			t.Errorf("%s has no place in the import rules", name)
			continue
		}
		for _, i := range p.Imports {
			if own, ok := strings.CutPrefix(i, module); ok && !slices.Contains(may, own) {
				t.Errorf("%s imports %s", name, own)
			}
		}
	}
}

func TestNodeDaemonIsLight(t *testing.T) {
	for _, p := range list(t, "./cmd/sluiced") {
		for _, d := range p.Deps {
			if under(d, heavy) {
				t.Errorf("%s depends on %s", p.ImportPath, d)
			}
		}
	}
}

func TestArtifactNeedsOnlyTheStandardLibrary(t *testing.T) {
	for _, p := range list(t, "./internal/artifact", "./internal/reconcile") {
		for _, d := range p.Deps {
			if d != p.ImportPath && strings.Contains(strings.SplitN(d, "/", 2)[0], ".") {
				t.Errorf("%s depends on %s", p.ImportPath, d)
			}
		}
	}
}
