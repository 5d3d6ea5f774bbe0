package corpus

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/compiler/source"
	"github.com/sluice-net/sluice/internal/diag"
)

// corpus is where the directories are, when they are: next to the repository.
const corpus = "../../../shared/corpus/netpol-analyzer"

// outOfScope says why a directory is not compared, by what its files contain.
var outOfScope = []struct {
	why  string
	what *regexp.Regexp
}{
	{"several networks for a pod", regexp.MustCompile(`(?m)^\s*-?\s*kind: *(UserDefinedNetwork|ClusterUserDefinedNetwork|NetworkAttachmentDefinition|MultiNetworkPolicy)\b`)},
	{"virtual machines", regexp.MustCompile(`(?m)^\s*-?\s*kind: *VirtualMachine\b`)},
}

func TestConnectivity(t *testing.T) {
	lists, err := filepath.Glob(filepath.Join(corpus, "*", "expected_connlist.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(lists) == 0 {
		t.Skipf("no connectivity lists in %s", corpus)
	}
	skipped := map[string]int{}
	compared, asked := 0, 0
	for _, file := range lists {
		dir := filepath.Dir(file)
		if why := excluded(t, dir); why != "" {
			skipped[why]++
			continue
		}
		compared++
		t.Run(filepath.Base(dir), func(t *testing.T) { asked += compareDir(t, dir) })
	}
	t.Logf("%d directories compared, %d connections", compared, asked)
	for why, n := range skipped {
		t.Logf("%d directories left out: %s", n, why)
	}
}

func excluded(t *testing.T, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range outOfScope {
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if rule.what.Match(text) {
				return rule.why
			}
		}
	}
	return ""
}

func compareDir(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "expected_connlist.txt"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	snapshot, ds, err := source.Load([]string{repaired(t, dir)}, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if ds.Has(diag.Error) {
		t.Fatal(ds)
	}
	rs, ds := compiler.Compile(snapshot, compiler.Options{})
	if ds.Has(diag.Error) {
		t.Fatal(ds)
	}
	differences, asked, err := Compare(list, snapshot, rs)
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]int{}
	for _, d := range differences {
		why := ""
		for _, e := range explanations {
			if e.directory == filepath.Base(dir) && e.covers(snapshot, d) {
				why = e.why
				break
			}
		}
		if why == "" {
			t.Error(d)
			continue
		}
		explained[why]++
	}
	for _, e := range explanations {
		if e.directory == filepath.Base(dir) && explained[e.why] == 0 {
			t.Errorf("nothing is left to explain by %q", e.why)
		}
	}
	for why, n := range explained {
		t.Logf("%d differences: %s", n, why)
	}
	return asked
}

// repaired returns dir, or a copy of it in which what the API server would
// refuse is put right.
func repaired(t *testing.T, dir string) string {
	t.Helper()
	r, ok := repairs[filepath.Base(dir)]
	if !ok {
		return dir
	}
	t.Logf("repaired %s: %s", r.file, r.why)
	out := filepath.Join(t.TempDir(), filepath.Base(dir))
	if err := os.CopyFS(out, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(out, r.file)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(r.from)) {
		t.Fatalf("%s has no %q", r.file, r.from)
	}
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte(r.from), []byte(r.to)), 0o644); err != nil {
		t.Fatal(err)
	}
	return out
}
