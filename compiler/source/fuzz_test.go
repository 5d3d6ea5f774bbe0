package source

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

// FuzzBlock checks that whatever the fast parser reads, the library reads as
// the same tree, positions and duplicates included.
func FuzzBlock(f *testing.F) {
	seed(f)
	for _, s := range []string{
		"a:\n- b\n-\n- c: d\n  e:\n- - x\n  - y\nf:\n", "a: |\n  x\n   y\n\n  z\nb: |-\n  x\n\n", "- {a: b, c: [d, 1, {}], 'e': \"f\"} # x\n",
		"a : b\n", "a:  b  # c\n#\n  # d\n\n'x y': z\n", "a: b\n c\n", "a: 'it''s'\n", "1: yes\nno: 0x1f\n~: x\n", "-\n  a: b\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		compareWithLibrary(t, src)
	})
}

// FuzzLoad checks that no input makes Load panic or fail, that every finding
// has a place, and that the result does not depend on the number of workers.
func FuzzLoad(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		fsys := fstest.MapFS{"in.yaml": {Data: src}}
		s, diags, err := LoadFS(fsys, Options{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range diags {
			if d.Pos.File != "in.yaml" || d.Pos.Line < 1 || d.Message == "" || d.Code == "" {
				t.Errorf("%+v", d)
			}
		}
		for i := range s.Policies {
			p := &s.Policies[i]
			if p.Name == "" || p.Namespace == "" || !p.Sections[0].Applies && !p.Sections[1].Applies {
				t.Errorf("%+v", p)
			}
		}
		if len(s.Policies) > 0 && len(s.Inputs) != 1 {
			t.Errorf("policies without inputs")
		}
		again, diagsAgain, err := LoadFS(fsys, Options{Workers: 3})
		if err != nil || dump(s, diags) != dump(again, diagsAgain) {
			t.Errorf("not deterministic: %v", err)
		}
	})
}

// seed adds the documents of the tests and examples.
func seed(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yaml", "testdata/*/*.json", "../../examples/*/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, name := range files {
			src, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
}
