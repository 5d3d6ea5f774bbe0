package source

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/sluice-net/sluice/internal/model"
)

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
			if p.Name == "" || p.Tier == 0 {
				t.Errorf("%+v", p)
			}
			if p.Tier == model.TierNamespace {
				if p.Namespace == "" || !p.Sections[0].Applies && !p.Sections[1].Applies {
					t.Errorf("%+v", p)
				}
				continue
			}
			ids := map[string]bool{}
			for _, s := range p.Sections {
				for i := range s.Rules {
					r := &s.Rules[i]
					if r.ID == "" || ids[r.ID] || r.Verdict == 0 || r.AnyPeer || len(r.Peers) == 0 || r.AnyPort == (len(r.Ports) > 0) {
						t.Errorf("%s: %+v", p.Ref(), r)
					}
					ids[r.ID] = true
				}
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
