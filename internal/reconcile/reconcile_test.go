package reconcile_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/internal/reconcile"
)

func equal(a, b int) bool { return a == b }

func TestDiff(t *testing.T) {
	want := map[string]int{"new": 1, "same": 2, "changed": 3}
	have := map[string]int{"same": 2, "changed": 4, "old": 5}
	var got []string
	for c := range reconcile.Diff(want, have, equal) {
		got = append(got, fmt.Sprintf("%v %s %d %d", c.Kind, c.Key, c.Have, c.Want))
	}
	slices.Sort(got)
	if exp := []string{"create new 0 1", "delete old 5 0", "update changed 4 3"}; !slices.Equal(got, exp) {
		t.Errorf("got %q, want %q", got, exp)
	}
}

func TestDiffStopsEarly(t *testing.T) {
	n := 0
	for range reconcile.Diff(map[int]int{1: 1, 2: 2}, map[int]int{3: 3}, equal) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d changes after a break", n)
	}
}

// Applying the difference to the actual state gives the desired one.
func TestDiffApplied(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		random := func() map[int]int {
			m := map[int]int{}
			for range r.IntN(12) {
				m[r.IntN(10)] = r.IntN(3)
			}
			return m
		}
		want, have := random(), random()
		got := maps.Clone(have)
		for c := range reconcile.Diff(want, have, equal) {
			if _, there := got[c.Key]; there == (c.Kind == reconcile.Create) {
				t.Fatalf("seed %d: %v of key %d, which is there: %v", seed, c.Kind, c.Key, there)
			}
			if c.Kind == reconcile.Delete {
				delete(got, c.Key)
			} else {
				got[c.Key] = c.Want
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d: %v + difference = %v, want %v", seed, have, got, want)
		}
	}
}
