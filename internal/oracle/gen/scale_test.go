package gen_test

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/gen"
)

func TestScale(t *testing.T) {
	o := gen.ScaleOptions{Seed: 1, Pods: 3000, DualStack: true}
	s := gen.Scale(o)
	if !reflect.DeepEqual(s, gen.Scale(o)) {
		t.Fatal("two runs differ")
	}
	if len(s.Pods) != 3000 || len(s.Policies) != 3000 || len(s.Namespaces) != 150 || len(s.Nodes) != 60 {
		t.Fatalf("%d pods, %d policies, %d namespaces, %d nodes", len(s.Pods), len(s.Policies), len(s.Namespaces), len(s.Nodes))
	}
	names, addrs, nodes := map[string]bool{}, map[netip.Addr]bool{}, map[string]model.Node{}
	for _, n := range s.Nodes {
		nodes[n.Name] = n
	}
	for _, p := range s.Pods {
		if key := p.Namespace + "/" + p.Name; names[key] {
			t.Errorf("two pods %s", key)
		} else {
			names[key] = true
		}
		for i, a := range p.Addresses {
			if addrs[a] {
				t.Errorf("two pods have %s", a)
			}
			addrs[a] = true
			if !nodes[p.Node].PodCIDRs[i].Contains(a) {
				t.Errorf("%s is not in a range of %s", a, p.Node)
			}
		}
	}
	for _, p := range s.Policies {
		if names[p.Ref()] {
			t.Errorf("two policies %s", p.Ref())
		}
		names[p.Ref()] = true
	}

	e := oracle.New(s, oracle.Options{})
	prober := gen.NewProber(s, 1)
	allowed := 0
	for range 2000 {
		if e.Decide(prober.Next()).Verdict == model.Allow {
			allowed++
		}
	}
	t.Logf("%d of 2000 connections allowed", allowed)
	if allowed < 20 || allowed > 1980 {
		t.Errorf("%d of 2000 connections allowed", allowed)
	}
}
