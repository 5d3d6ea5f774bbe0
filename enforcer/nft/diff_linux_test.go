package nft_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/enforcer/nft"
	"github.com/sluice-net/sluice/enforcer/nft/nfttest"
)

// blocks returns the sets and chains of a listing without their order, which
// depends on when they were created.
func blocks(listing string) []string {
	_, body, _ := strings.Cut(listing, "{\n")
	out := strings.Split(body, "\n\t}\n")
	for i := range out {
		out[i] = strings.TrimLeft(out[i], "\n")
	}
	slices.Sort(out)
	return out
}

func sameTable(t *testing.T, what, got, want string) {
	t.Helper()
	g, w := blocks(got), blocks(want)
	for _, b := range g {
		if !slices.Contains(w, b) {
			t.Errorf("%s: should not be:\n%s", what, b)
		}
	}
	for _, b := range w {
		if !slices.Contains(g, b) {
			t.Errorf("%s: missing:\n%s", what, b)
		}
	}
}

// A table that was changed step by step is the one that is loaded at once.
func TestChangesEqualLoad(t *testing.T) {
	nfttest.NeedNft(t)
	nfttest.Namespace(t)
	const node = "n1"
	k := open(t, node, nft.Options{})
	sync(t, k, nfttest.Random(t, 0), nft.Replaced)
	changed := 0
	for seed := range uint64(30) {
		rs := nfttest.Random(t, seed*37%60)
		rep, err := k.Sync(t.Context(), rs)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if rep.Recovered != nil {
			t.Errorf("seed %d: %v", seed, rep.Recovered)
		}
		if rep.Transaction == nft.Changed {
			changed++
		}
		got := listing(t)
		nfttest.Nft(t, "", "delete", "table", "inet", nft.TableName)
		nfttest.Nft(t, render(t, rs, node).Script(), "-f", "-")
		sameTable(t, "after the change", got, listing(t))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if changed < 20 {
		t.Errorf("only %d of 30 were done as a difference", changed)
	}
}
