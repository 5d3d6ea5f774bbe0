package verify_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/compiler/source"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/verify"
)

func load(t testing.TB) *model.Snapshot {
	t.Helper()
	text, err := os.ReadFile("testdata/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, ds, err := source.LoadFS(fstest.MapFS{"cluster.yaml": {Data: text}}, source.Options{})
	if err != nil || ds.Has(diag.Error) {
		t.Fatal(err, ds)
	}
	return s
}

func compile(t testing.TB, s *model.Snapshot) *artifact.Ruleset {
	t.Helper()
	rs, ds := compiler.Compile(s, compiler.Options{})
	if rs == nil {
		t.Fatal(ds)
	}
	return rs
}

// clone copies a ruleset through its encoding.
func clone(t testing.TB, rs *artifact.Ruleset) *artifact.Ruleset {
	t.Helper()
	b, err := artifact.Encode(rs)
	if err != nil {
		t.Fatal(err)
	}
	out, err := artifact.Decode(bytes.NewReader(b), artifact.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAgrees(t *testing.T) {
	s := load(t)
	r := verify.Run(s, compile(t, s), verify.Options{})
	if len(r.Failures) > 0 {
		t.Error(r.Failures[0])
	}
	t.Logf("%d questions", r.Asked)
}

// mutant is a ruleset as a broken compiler would have made it.
type mutant struct {
	name   string
	change func(rs *artifact.Ruleset)
}

// mutants lists one broken compile for each place where each mistake can be
// made. All mutate the compiled tables, which is what any stage's mistake
// comes to.
func mutants(rs *artifact.Ruleset) []mutant {
	var out []mutant
	add := func(change func(*artifact.Ruleset), format string, args ...any) {
		out = append(out, mutant{fmt.Sprintf(format, args...), change})
	}
	p, m := &rs.Program, &rs.Membership
	for i := range p.Tiers {
		for j := range p.Tiers[i].Clauses {
			add(func(rs *artifact.Ruleset) {
				rs.Program.Tiers[i].Clauses = slices.Delete(rs.Program.Tiers[i].Clauses, j, j+1)
			}, "drop clause %d of tier %d", j, i)
		}
		if p.Tiers[i].End == artifact.Deny {
			add(func(rs *artifact.Ruleset) {
				rs.Program.Tiers[i].End, rs.Program.Tiers[i].EndRules = artifact.Pass, nil
			}, "forget that tier %d isolates", i)
		}
	}
	for i := range p.Clauses {
		for _, v := range []artifact.Verdict{artifact.Allow, artifact.Deny, artifact.Pass} {
			if v != p.Clauses[i].Verdict {
				add(func(rs *artifact.Ruleset) { rs.Program.Clauses[i].Verdict = v }, "clause %d says %v", i, v)
			}
		}
		add(func(rs *artifact.Ruleset) { rs.Program.Clauses[i].Peer = artifact.Peer{Kind: artifact.PeerAny} }, "clause %d for every peer", i)
		if p.Clauses[i].Ports != artifact.AllPorts {
			add(func(rs *artifact.Ruleset) { rs.Program.Clauses[i].Ports = artifact.AllPorts }, "clause %d on every port", i)
		}
		if p.Clauses[i].Peer.Kind == artifact.PeerGroup {
			add(func(rs *artifact.Ruleset) {
				c := &rs.Program.Clauses[i]
				c.Peer.ID = (c.Peer.ID + 1) % uint32(len(rs.Program.Groups))
			}, "clause %d for another group", i)
		}
	}
	for i := 1; i < len(p.Ports); i++ {
		for j := range p.Ports[i] {
			add(func(rs *artifact.Ruleset) { rs.Program.Ports[i][j].High++ }, "port set %d range %d one higher", i, j)
			add(func(rs *artifact.Ruleset) { rs.Program.Ports[i][j].Low-- }, "port set %d range %d one lower", i, j)
			add(func(rs *artifact.Ruleset) {
				rs.Program.Ports[i] = slices.Delete(rs.Program.Ports[i], j, j+1)
			}, "port set %d without range %d", i, j)
			add(func(rs *artifact.Ruleset) {
				rs.Program.Ports[i][j].Protocol ^= 6 ^ 17
			}, "port set %d range %d of another protocol", i, j)
		}
	}
	for i, b := range p.Blocks {
		for j := range b {
			add(func(rs *artifact.Ruleset) {
				r := &rs.Program.Blocks[i][j]
				r.High = r.High.Next()
			}, "block %d range %d one address longer", i, j)
			add(func(rs *artifact.Ruleset) {
				rs.Program.Blocks[i] = slices.Delete(rs.Program.Blocks[i], j, j+1)
			}, "block %d without range %d", i, j)
		}
	}
	for i := range p.Profiles {
		for j := range p.Profiles[i].Tiers {
			add(func(rs *artifact.Ruleset) {
				rs.Program.Profiles[i].Tiers = slices.Delete(rs.Program.Profiles[i].Tiers, j, j+1)
			}, "profile %d without tier %d", i, j)
		}
		if n := len(p.Profiles[i].Tiers); n > 1 {
			add(func(rs *artifact.Ruleset) { slices.Reverse(rs.Program.Profiles[i].Tiers) }, "profile %d with tiers swapped", i)
		}
	}
	for i := 1; i < len(m.Classes); i++ {
		for d := range m.Classes[i].Profiles {
			if m.Classes[i].Profiles[d] != 0 {
				add(func(rs *artifact.Ruleset) { rs.Membership.Classes[i].Profiles[d] = 0 }, "class %d without its %v profile", i, artifact.Direction(d))
			}
		}
		for j := range m.Classes[i].Groups {
			add(func(rs *artifact.Ruleset) {
				rs.Membership.Classes[i].Groups = slices.Delete(rs.Membership.Classes[i].Groups, j, j+1)
			}, "class %d outside of group %d", i, m.Classes[i].Groups[j])
		}
	}
	for i := range m.Endpoints {
		if m.Endpoints[i].Kind == artifact.EndpointPod && m.Endpoints[i].Node != artifact.NoNode {
			add(func(rs *artifact.Ruleset) { rs.Membership.Endpoints[i].Node ^= 1 }, "%v on the other node", &m.Endpoints[i])
		}
	}
	add(func(rs *artifact.Ruleset) { rs.Header.Default = artifact.Deny }, "deny by default")
	return out
}

// equivalent are mutants that mean the same, with the reason.
var equivalent = map[string]string{}

func TestMutants(t *testing.T) {
	s := load(t)
	rs := compile(t, s)
	all := mutants(rs)
	survived := 0
	for _, mu := range all {
		broken := clone(t, rs)
		mu.change(broken)
		// A check of the default needs the evaluator to keep the right one.
		r := verify.Run(s, broken, verify.Options{Default: artifact.Allow})
		caught := len(r.Failures) > 0 || broken.Validate() != nil
		if !caught && equivalent[mu.name] == "" {
			survived++
			t.Errorf("not noticed: %s", mu.name)
		}
		if caught && equivalent[mu.name] != "" {
			t.Errorf("%s is noticed, and said to be equivalent: %s", mu.name, equivalent[mu.name])
		}
	}
	t.Logf("%d mutants, %d survived, %d equivalent", len(all), survived, len(equivalent))
}
