package oracle_test

import (
	"testing"

	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/cases"
)

func TestCases(t *testing.T) {
	names := map[string]bool{}
	for _, c := range cases.All() {
		if names[c.Name] {
			t.Errorf("two cases are called %q", c.Name)
		}
		names[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			e := oracle.New(c.Snapshot, oracle.Options{Default: c.Default})
			for _, q := range c.Connections {
				got := e.Decide(q.Connection)
				check(t, q.String()+" egress", got.Egress, q.Egress)
				check(t, q.String()+" ingress", got.Ingress, q.Ingress)
				if got.Verdict != q.Verdict() {
					t.Errorf("%s: verdict %s, want %s", q, got.Verdict, q.Verdict())
				}
			}
		})
	}
}

func check(t *testing.T, what string, got *oracle.Decision, want model.Verdict) {
	t.Helper()
	switch {
	case got == nil && want == 0:
	case got == nil:
		t.Errorf("%s: no policy governs this end, want %s", what, want)
	case got.Verdict != want:
		t.Errorf("%s: %s by %s %s %s, want %s", what, got.Verdict, got.Basis, got.Policy(), got.Rule(), want)
	}
}

func TestTextRoundTrip(t *testing.T) {
	for _, c := range cases.All() {
		for _, q := range c.Connections {
			again, err := oracle.ParseConnection(c.Snapshot, q.String())
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			if again != q.Connection {
				t.Errorf("%s: %s reads back as %s", c.Name, q, again)
			}
		}
	}
}

func TestBecause(t *testing.T) {
	find := func(name string) *cases.Case {
		for _, c := range cases.All() {
			if c.Name == name {
				return &c
			}
		}
		t.Fatalf("no case %q", name)
		return nil
	}
	for _, want := range []struct {
		in, connection string
		basis          oracle.Basis
		tier           model.Tier
		policy, rule   string
		reasons        int
	}{
		{"policies add up", "y/b -> x/a 443/TCP", oracle.ByRule, model.TierNamespace, "NetworkPolicy/x/b-from-y", "ingress[0]", 2},
		{"policies add up", "z/b -> x/a 80/TCP", oracle.ByIsolation, model.TierNamespace, "NetworkPolicy/x/a-deny", "isolation", 3},
		{"first match by priority, then rule order", "y/b -> x/a 80/TCP", oracle.ByRule, model.TierAdmin, "ClusterNetworkPolicy/early", "ingress[0]", 1},
		{"first match by priority, then rule order", "y/b -> x/a 84/TCP", oracle.ByDefault, 0, "", "", 0},
		{"a pod reaches itself", "x/a -> x/a 80/TCP", oracle.BySelf, 0, "", "", 0},
		{"a node reaches its own pods", "192.0.2.1 -> x/a 80/TCP", oracle.ByLocalNode, 0, "", "", 0},
	} {
		c := find(want.in)
		q, err := oracle.ParseConnection(c.Snapshot, want.connection)
		if err != nil {
			t.Fatal(err)
		}
		got := oracle.Decide(c.Snapshot, q).Ingress
		if got.Basis != want.basis || got.Tier != want.tier || got.Policy() != want.policy ||
			got.Rule() != want.rule || len(got.Because) != want.reasons {
			t.Errorf("%s: %s: by %s in tier %d, %q %q of %d; want %+v", want.in, want.connection,
				got.Basis, got.Tier, got.Policy(), got.Rule(), len(got.Because), want)
		}
	}
}
