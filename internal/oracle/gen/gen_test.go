package gen_test

import (
	"reflect"
	"testing"

	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/gen"
)

func TestClusterIsDeterministic(t *testing.T) {
	for seed := range uint64(50) {
		o := gen.Options{Seed: seed, Tiers: seed%2 == 0, Dense: seed%3 == 0}
		a, b := gen.Cluster(o), gen.Cluster(o)
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("seed %d: two clusters differ", seed)
		}
		p, q := gen.NewProber(a, seed), gen.NewProber(b, seed)
		for range 100 {
			if c, d := p.Next(), q.Next(); c.String() != d.String() {
				t.Fatalf("seed %d: %s and %s", seed, c, d)
			}
		}
	}
}

// A generator that hits one outcome only tests nothing.
func TestConnectionsHitEverything(t *testing.T) {
	type outcome struct {
		direction model.Direction
		verdict   model.Verdict
		basis     oracle.Basis
		tier      model.Tier
	}
	seen := map[outcome]int{}
	total := 0
	for seed := range uint64(300) {
		s := gen.Cluster(gen.Options{Seed: seed, Tiers: true})
		e := oracle.New(s, oracle.Options{})
		p := gen.NewProber(s, seed)
		for range 200 {
			a := e.Decide(p.Next())
			total++
			for dir, d := range map[model.Direction]*oracle.Decision{model.Ingress: a.Ingress, model.Egress: a.Egress} {
				if d != nil {
					seen[outcome{dir, d.Verdict, d.Basis, d.Tier}]++
				}
			}
		}
	}
	want := []outcome{{model.Ingress, model.Allow, oracle.ByLocalNode, 0}}
	for _, dir := range model.Directions {
		want = append(want,
			outcome{dir, model.Allow, oracle.BySelf, 0},
			outcome{dir, model.Allow, oracle.ByDefault, 0},
			outcome{dir, model.Allow, oracle.ByRule, model.TierNamespace},
			outcome{dir, model.Deny, oracle.ByIsolation, model.TierNamespace})
		for _, tier := range []model.Tier{model.TierAdmin, model.TierSegment, model.TierBaseline} {
			want = append(want,
				outcome{dir, model.Allow, oracle.ByRule, tier},
				outcome{dir, model.Deny, oracle.ByRule, tier})
		}
	}
	for _, w := range want {
		t.Logf("%6.2f%% %s %s by %s %s", 100*float64(seen[w])/float64(total), w.direction, w.verdict, w.basis, w.tier)
		if seen[w]*1000 < total {
			t.Errorf("%+v: only %d of %d", w, seen[w], total)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	s := gen.Cluster(gen.Options{Seed: 1, Tiers: true})
	e := oracle.New(s, oracle.Options{})
	p := gen.NewProber(s, 1)
	for b.Loop() {
		e.Decide(p.Next())
	}
}
