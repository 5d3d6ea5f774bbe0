package nft_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/enforcer/nft"
	"github.com/sluice-net/sluice/enforcer/nft/nfttest"
	"github.com/sluice-net/sluice/internal/artifact"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestScriptGolden(t *testing.T) {
	got := render(t, everything(t), "n1").Script()
	path := filepath.Join("testdata", "everything", "n1.nft")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (rewrite it with -update):\n%s", path, got)
	}
}

func TestRenderDeterministic(t *testing.T) {
	for seed := range uint64(20) {
		a, b := render(t, nfttest.Random(t, seed), "n1"), render(t, nfttest.Random(t, seed), "n1")
		if !reflect.DeepEqual(a, b) || a.Script() != b.Script() {
			t.Fatalf("seed %d: two tables of one ruleset", seed)
		}
	}
}

func TestUnknownNode(t *testing.T) {
	b := nfttest.New()
	for _, n := range []string{"a1", "a2", "a3", "a4", "a5", "a6", "a7"} {
		b.Node(n, 0, nil)
	}
	_, err := nft.Render(b.Ruleset(t), "b")
	if !errors.Is(err, nft.ErrUnknownNode) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{`"b"`, `"a1"`, `"a5"`, "and 2 more"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %s", err, want)
		}
	}
	if _, err := nft.Render(nfttest.New().Ruleset(t), "b"); err == nil || !strings.Contains(err.Error(), "no nodes") {
		t.Errorf("no nodes at all: %v", err)
	}
}

// Many policies on one pod are a few rules.
func TestFoldsPolicies(t *testing.T) {
	for _, c := range []nfttest.Cluster{
		{Local: 1, Remote: 500, Groups: 50, PerPod: 50, Ports: 1},
		{Local: 1, Remote: 500, Groups: 50, PerPod: 50, Ports: 10},
		{Local: 1, Remote: 500, Groups: 50, PerPod: 50, Ports: 50},
	} {
		table := render(t, c.Ruleset(t), "n1")
		for name, ch := range table.Chains {
			if strings.HasPrefix(name, "ingress4") && len(ch.Rules) > 3 {
				t.Errorf("%d ports: %d rules in %s", c.Ports, len(ch.Rules), name)
			}
		}
	}
}

// Where copies of addresses would take too much memory, there are fewer.
func TestBoundsCopies(t *testing.T) {
	c := nfttest.Cluster{Local: 100, Remote: 20_000, Groups: 49, PerPod: 40, Ports: 9}
	table := render(t, c.Ruleset(t), "n1")
	if n := table.Len(); n > 1<<19+21_000 {
		t.Errorf("%d elements", n)
	}
}

// A pod's coming changes elements, whatever their number, and no chain.
func TestOnePodIsElements(t *testing.T) {
	c := nfttest.Cluster{Local: 3, Remote: 1000, Groups: 7, PerPod: 10, Ports: 9}
	b, class := c.Builder()
	before := render(t, b.Ruleset(t), "n1")
	b.PodAt("new", 1, class, nfttest.RemoteAddr(c.Remote))
	after := render(t, b.Ruleset(t), "n1")
	ch, ok := nft.Diff(after, before)
	if !ok || len(ch.AddChains)+len(ch.DelChains)+len(ch.AddSets)+len(ch.DelSets) > 0 {
		t.Fatalf("change %+v, as a difference: %v", ch, ok)
	}
	if n := ch.Len(); n == 0 || n > 2*9*3 {
		t.Errorf("%d elements", n)
	}
}

func TestDiffOfEqualTables(t *testing.T) {
	ch, ok := nft.Diff(render(t, everything(t), "n1"), render(t, everything(t), "n1"))
	if !ok || ch.Len() != 0 {
		t.Errorf("%+v, %v", ch, ok)
	}
}

func TestDiffReplacesBase(t *testing.T) {
	build := func(cidr string) *nft.Table {
		b := nfttest.New()
		b.Node("n1", 0, nil, cidr)
		return render(t, b.Ruleset(t), "n1")
	}
	if _, ok := nft.Diff(build("10.1.0.0/24"), build("10.1.0.0/16")); ok {
		t.Error("another pod range is a difference")
	}
}

// oddNames are names that no policy should have.
var oddNames = []string{
	`say "hi"`, "two\nlines", "tab\tand \x00 and \x7f", strings.Repeat("long-", 60), strings.Repeat("ä", 100),
	"bad \xff utf-8", `back\slash`, `end\`, `; drop "`, "$x @y #z {",
}

// namedOddly returns a ruleset in which a group, a policy and a pod have the
// name.
func namedOddly(t *testing.T, name string) *artifact.Ruleset {
	t.Helper()
	b := nfttest.New()
	ports := b.Ports(nfttest.TCP(1), nfttest.TCP(3), nfttest.TCP(5))
	tier := b.Tier(ingress, artifact.TierNamespace, deny, say(allow, b.Group(name), ports, name))
	class := b.Class(b.Profile(ingress, tier), 0, name)
	n := b.Node("n1", 0, nil, "10.244.1.0/24")
	b.Pod(name, n, class, "10.244.1.2")
	return b.Ruleset(t)
}

// Names of policies and groups reach the nft program as comments: whatever is
// in them.
func TestComments(t *testing.T) {
	for _, name := range oddNames {
		table := render(t, namedOddly(t, name), "n1")
		for _, s := range table.Sets {
			checkComment(t, s.Comment)
		}
		for _, c := range table.Chains {
			for _, r := range c.Rules {
				checkComment(t, r.Comment)
			}
		}
	}
}

func checkComment(t *testing.T, s string) {
	t.Helper()
	if len(s) > 127 || strings.ContainsFunc(s, func(r rune) bool { return r == '"' || r < ' ' || r == '\uFFFD' }) {
		t.Errorf("comment of %d bytes: %q", len(s), s)
	}
}

func TestMarker(t *testing.T) {
	want := render(t, everything(t), "n1").Marker
	if got, err := nft.ParseMarker(want.String()); err != nil || got != want {
		t.Errorf("%v: %+v, want %+v", err, got, want)
	}
	if n := len(nft.Marker{Layout: 1<<16 - 1, Generation: 1<<64 - 1, Node: 1<<32 - 1}.String()); n > 127 {
		t.Errorf("up to %d bytes", n)
	}
	for _, s := range []string{"", "mine", "layout=1 gen=2 node=3", strings.Replace(want.String(), "gen=7", "gen=x", 1), want.String()[:99], want.String() + "00"} {
		if m, err := nft.ParseMarker(s); err == nil {
			t.Errorf("%q parses: %+v", s, m)
		}
	}
}
