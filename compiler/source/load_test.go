package source

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sluice-net/sluice/compiler/source/object"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

const namespaceDoc = "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n"

// write makes files below a temporary directory and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustLoad(t *testing.T, o Options, paths ...string) (*model.Snapshot, diag.List) {
	t.Helper()
	s, diags, err := Load(paths, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, diags
}

func names(s *model.Snapshot) []string {
	var out []string
	for _, in := range s.Inputs {
		out = append(out, in.Name)
	}
	return out
}

func TestDirectory(t *testing.T) {
	dir := write(t, map[string]string{
		"b.yaml":           fmt.Sprintf(namespaceDoc, "b"),
		"a/x.yml":          fmt.Sprintf(namespaceDoc, "x"),
		"a/y.JSON":         `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"y"}}`,
		"a/readme.md":      "no manifest",
		".git/config.yaml": "{{",
		".hidden.yaml":     fmt.Sprintf(namespaceDoc, "hidden"),
	})
	if err := os.Symlink("..", filepath.Join(dir, "a", "loop")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../b.yaml", filepath.Join(dir, "a", "link.yaml")); err != nil {
		t.Fatal(err)
	}
	s, diags := mustLoad(t, Options{}, dir)
	if len(diags) > 0 {
		t.Error(diags)
	}
	// b.yaml is there twice, under its own name and as a link: it is read once.
	want := []string{".hidden.yaml", "a/link.yaml", "a/x.yml", "a/y.JSON"}
	if got := names(s); !slices.Equal(got, want) {
		t.Errorf("inputs %q, want %q", got, want)
	}
	if len(s.Namespaces) != 4 {
		t.Errorf("%d namespaces, want 4", len(s.Namespaces))
	}
}

func TestFileGivenTwice(t *testing.T) {
	dir := write(t, map[string]string{"sub/a.yaml": fmt.Sprintf(namespaceDoc, "a")})
	file := filepath.Join(dir, "sub", "a.yaml")
	for _, args := range [][]string{{dir, file}, {file, dir}, {file, file, filepath.Join(dir, "sub"), dir}} {
		s, diags := mustLoad(t, Options{}, args...)
		if len(diags) > 0 || len(s.Namespaces) != 1 {
			t.Errorf("%q: %d namespaces, %v", args, len(s.Namespaces), diags)
		}
		if got := names(s); !slices.Equal(got, []string{"sub/a.yaml"}) {
			t.Errorf("%q: inputs %q", args, got)
		}
	}
}

func TestInputNamesAreUniqueInAnyOrder(t *testing.T) {
	dir := write(t, map[string]string{
		"one/a.yaml":   fmt.Sprintf(namespaceDoc, "one"),
		"two/a.yaml":   fmt.Sprintf(namespaceDoc, "two"),
		"three/b.yaml": fmt.Sprintf(namespaceDoc, "three"),
	})
	t.Chdir(filepath.Join(dir, "one"))
	args := []string{"../one", "../two", "../three"}
	for range 6 {
		rand.Shuffle(len(args), func(i, j int) { args[i], args[j] = args[j], args[i] })
		s, _ := mustLoad(t, Options{}, args...)
		if got, want := names(s), []string{"b.yaml", "one/a.yaml", "two/a.yaml"}; !slices.Equal(got, want) {
			t.Errorf("%q: inputs %q, want %q", args, got, want)
		}
	}
	// The same relative path once from here and once from above.
	s, _ := mustLoad(t, Options{}, "a.yaml", "../two/a.yaml")
	if got, want := names(s), []string{"a.yaml", "two/a.yaml"}; !slices.Equal(got, want) {
		t.Errorf("inputs %q, want %q", got, want)
	}
}

func TestInputNamesWithEqualCleanedPaths(t *testing.T) {
	dir := write(t, map[string]string{
		"x/a.yaml":   fmt.Sprintf(namespaceDoc, "one"),
		"w/x/a.yaml": fmt.Sprintf(namespaceDoc, "two"),
	})
	t.Chdir(filepath.Join(dir, "w"))
	s1, _ := mustLoad(t, Options{}, "../x/a.yaml", "x/a.yaml")
	s2, _ := mustLoad(t, Options{}, "x/a.yaml", "../x/a.yaml")
	got := names(s1)
	if len(got) != 2 || got[0] == got[1] || !slices.Equal(got, names(s2)) {
		t.Errorf("inputs %q and %q", got, names(s2))
	}
}

func TestStdin(t *testing.T) {
	in := fmt.Sprintf(namespaceDoc, "a") + "---\n{bad"
	s, diags := mustLoad(t, Options{Stdin: strings.NewReader(in)}, "-", "-")
	if len(s.Namespaces) != 1 || len(s.Inputs) != 1 || s.Inputs[0].Name != "stdin" {
		t.Errorf("%+v", s)
	}
	if len(diags) != 1 || diags[0].Pos.File != "stdin" || diags[0].Pos.Line != 5 {
		t.Errorf("%v", diags)
	}
	if _, _, err := Load([]string{"-"}, Options{}); err == nil {
		t.Error("no error without standard input")
	}
}

func TestCannotRun(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": fmt.Sprintf(namespaceDoc, "a")})
	s, _, err := Load([]string{filepath.Join(dir, "missing"), dir, filepath.Join(dir, "gone")}, Options{})
	if s != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, %v", s, err)
	}
	if !strings.Contains(err.Error(), "missing") || !strings.Contains(err.Error(), "gone") {
		t.Errorf("%v does not name both", err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load([]string{dir}, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dangling link: %v", err)
	}
}

func TestExplicitFileMustBeManifest(t *testing.T) {
	dir := write(t, map[string]string{
		"values.yaml": "replicas: 1\n", "empty.yaml": "", "comment.yaml": "# nothing\n---\n", "list.json": "[]",
	})
	for _, name := range []string{"values.yaml", "empty.yaml", "comment.yaml", "list.json"} {
		_, diags := mustLoad(t, Options{}, filepath.Join(dir, name))
		if len(diags) != 1 || diags[0].Severity != diag.Error || diags[0].Code != object.CodeNoManifest {
			t.Errorf("%s: %v", name, diags)
		}
	}
	if _, diags := mustLoad(t, Options{}, dir); diags.Has(diag.Warning) {
		t.Errorf("in a directory: %v", diags)
	}
	if _, diags := mustLoad(t, Options{}, t.TempDir()); len(diags) != 1 || diags[0].Severity != diag.Warning {
		t.Errorf("empty directory: %v", diags)
	}
}

func TestFileSizeLimit(t *testing.T) {
	fsys := fstest.MapFS{"a.yaml": {Data: []byte(fmt.Sprintf(namespaceDoc, "a"))}, "b.yaml": {Data: bytes.Repeat([]byte("#"), 100)}}
	s, diags, err := LoadFS(fsys, Options{MaxFileSize: 60})
	if err != nil || len(s.Namespaces) != 1 || len(diags) != 1 || diags[0].Severity != diag.Error {
		t.Errorf("%v %v %v", s, diags, err)
	}
}

func TestEncodings(t *testing.T) {
	doc := strings.ReplaceAll(fmt.Sprintf(namespaceDoc, "a"), "a}", `a, annotations: {x: "é"}}`)
	utf16 := func(big bool) string {
		var b bytes.Buffer
		for _, r := range "\ufeff" + doc {
			if big {
				b.Write([]byte{byte(r >> 8), byte(r)})
			} else {
				b.Write([]byte{byte(r), byte(r >> 8)})
			}
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"plain": doc, "CRLF": strings.ReplaceAll(doc, "\n", "\r\n"), "BOM": "\ufeff" + doc, "UTF-16LE": utf16(false), "UTF-16BE": utf16(true),
		"CR": strings.ReplaceAll(doc, "\n", "\r"), "BOM JSON": "\ufeff" + `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}}`,
	} {
		s, diags, err := LoadFS(fstest.MapFS{"a.yaml": {Data: []byte(text)}}, Options{})
		if err != nil || len(diags) > 0 || len(s.Namespaces) != 1 || s.Namespaces[0].Name != "a" {
			t.Errorf("%s: %v %v %v", name, s, diags, err)
		}
	}
}

// TestDeterministic loads one input with its files cut and named
// differently, in many orders and with different numbers of workers.
func TestDeterministic(t *testing.T) {
	var want string
	for workers := 1; workers <= 8; workers++ {
		s, diags := mustLoad(t, Options{Workers: workers}, "testdata")
		got := dump(s, diags)
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("with %d workers:\n%s\nwant:\n%s", workers, got, want)
		}
	}
	dirs, _ := filepath.Glob("testdata/*")
	var first string
	for range 5 {
		rand.Shuffle(len(dirs), func(i, j int) { dirs[i], dirs[j] = dirs[j], dirs[i] })
		s, diags := mustLoad(t, Options{}, dirs...)
		got := dump(s, diags)
		if first == "" {
			first = got
		}
		if got != first {
			t.Fatalf("order %q changes the result", dirs)
		}
	}
}
