package shrink_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/gen"
	"github.com/sluice-net/sluice/internal/oracle/shrink"
)

// byNamedPort "fails" where a NetworkPolicy rule with a named port allows
// ingress: something that needs a policy, a rule, a port and a pod.
func byNamedPort(s *model.Snapshot, c oracle.Connection) bool {
	d := oracle.Decide(s, c).Ingress
	if d == nil || d.Basis != oracle.ByRule || d.Tier != model.TierNamespace {
		return false
	}
	for _, p := range d.Because[0].Rule.Ports {
		if p.Name != "" {
			return true
		}
	}
	return false
}

func TestShrink(t *testing.T) {
	done := 0
	for seed := uint64(0); done < 5; seed++ {
		o := gen.Options{Seed: seed, Tiers: true}
		s := gen.Cluster(o)
		p := gen.NewProber(s, seed)
		for range 200 {
			c := p.Next()
			if !byNamedPort(s, c) {
				continue
			}
			done++
			small, q := shrink.Shrink(s, c, byNamedPort, 5000)
			if !byNamedPort(small, q) {
				t.Errorf("seed %d: the failure is gone from the small snapshot", seed)
			}
			if !reflect.DeepEqual(s, gen.Cluster(o)) {
				t.Errorf("seed %d: the snapshot has changed", seed)
			}
			if len(small.Policies) != 1 || len(small.Pods) > 2 || len(small.Policies[0].Sections[model.Ingress].Rules) != 1 {
				t.Errorf("seed %d: %d policies and %d pods remain", seed, len(small.Policies), len(small.Pods))
			}
			break
		}
	}
}

func TestShrinkHoldsToItsBudget(t *testing.T) {
	s := gen.Cluster(gen.Options{Seed: 3, Tiers: true})
	calls := 0
	shrink.Shrink(s, gen.NewProber(s, 3).Next(), func(*model.Snapshot, oracle.Connection) bool {
		calls++
		return true
	}, 3)
	if calls != 4 {
		t.Errorf("%d calls on a budget of 3 and the first", calls)
	}
}

func TestWrite(t *testing.T) {
	s := gen.Cluster(gen.Options{Seed: 1})
	c, err := oracle.ParseConnection(s, "203.0.113.9 -> 198.51.100.7 80/TCP")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "case")
	if err := shrink.Write(dir, s, c, "first\nsecond"); err != nil {
		t.Fatal(err)
	}
	yaml, err := os.ReadFile(filepath.Join(dir, "manifests.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(yaml), "# 203.0.113.9 -> 198.51.100.7 80/TCP\n# first\n# second\n---\n") {
		t.Errorf("manifests.yaml begins %.100q", yaml)
	}
	query, err := os.ReadFile(filepath.Join(dir, "query.json"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"src":{"ip":"203.0.113.9"},"dst":{"ip":"198.51.100.7"},"protocol":"TCP","port":80}` + "\n"; string(query) != want {
		t.Errorf("query.json is %s", query)
	}
}
