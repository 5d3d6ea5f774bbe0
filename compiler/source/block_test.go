package source

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// compareWithLibrary fails if the fast parser reads src, and the library does
// not read the same.
func compareWithLibrary(t *testing.T, src []byte) (read bool) {
	t.Helper()
	fast, ok := parseBlock(src, interner{})
	if !ok {
		return false
	}
	slow, failure := parseYAML(src, interner{})
	if failure != nil || len(slow) != 1 {
		t.Fatalf("the library gives %d documents and %v for:\n%q", len(slow), failure, src)
	}
	if !reflect.DeepEqual(fast, slow[0]) {
		t.Fatalf("fast: %+v\nslow: %+v\nfor:\n%q", fast, slow[0], src)
	}
	return true
}

// TestBlockAgrees compares the two parsers on real documents, and on what
// becomes of them when lines are moved, indented, joined and cut.
func TestBlockAgrees(t *testing.T) {
	var docs [][]byte
	for _, pattern := range []string{"testdata/*/*.yaml", corpus + "/*/*.yaml", corpus + "/*/*/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, name := range files {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range splitYAML(src) {
				docs = append(docs, c.text)
			}
		}
	}
	read := 0
	for _, doc := range docs {
		if compareWithLibrary(t, doc) {
			read++
		}
	}
	t.Logf("reads %d of %d documents", read, len(docs))
	rng := rand.New(rand.NewPCG(1, 2))
	rounds := 20_000
	if testing.Short() {
		rounds = 2_000
	}
	read = 0
	for range rounds {
		doc := docs[rng.IntN(len(docs))]
		if len(doc) > 3000 {
			continue
		}
		if compareWithLibrary(t, mutate(rng, doc)) {
			read++
		}
	}
	t.Logf("reads %d of %d changed documents", read, rounds)
}

func mutate(rng *rand.Rand, doc []byte) []byte {
	lines := strings.SplitAfter(string(doc), "\n")
	for range 1 + rng.IntN(3) {
		i, j := rng.IntN(len(lines)), rng.IntN(len(lines))
		switch rng.IntN(9) {
		case 0:
			lines[i] = "  " + lines[i]
		case 1:
			lines[i] = " " + lines[i]
		case 2:
			lines[i] = strings.TrimPrefix(lines[i], "  ")
		case 3:
			lines[i], lines[j] = lines[j], lines[i]
		case 4:
			lines[i] = ""
		case 5:
			lines[i] = strings.TrimSuffix(lines[i], "\n")
		case 6:
			lines[i] += lines[j]
		case 7:
			tokens := []string{
				"- ", "-", ": ", ":", " #", "#", "'", `"`, "|", "|-", "{", "}", "[", "]", ",", "{}", "[]", "\n", "\n\n", " ", "  ",
				"---", "...", "&a ", "*a", "!x ", "? ", "<<: ", "~", "yes", "1", "null", ">", "%", "@", "-x", ":x", "x:", "x: y",
			}
			at := rng.IntN(len(lines[i]) + 1)
			lines[i] = lines[i][:at] + tokens[rng.IntN(len(tokens))] + lines[i][at:]
		case 8:
			if at := rng.IntN(len(lines[i]) + 1); at < len(lines[i]) {
				lines[i] = lines[i][:at] + lines[i][at+1:]
			}
		}
	}
	return []byte(strings.Join(lines, ""))
}

// TestBlockReadsPlainManifests makes sure that the fast parser does not give
// up on what most input looks like.
func TestBlockReadsPlainManifests(t *testing.T) {
	for name, f := range benchInput(1, 1, 1) {
		for _, c := range splitYAML(f.Data) {
			if !compareWithLibrary(t, c.text) {
				t.Errorf("%s: gives up on:\n%s", name, c.text)
			}
		}
	}
	if !compareWithLibrary(t, []byte("a:\n  b: |\n    {\"x\":1}\n\n     y\n  c: |-\n    z\n")) {
		t.Error("gives up on literal blocks")
	}
}
