package nft_test

import (
	"context"
	"testing"

	"github.com/sluice-net/sluice/enforcer/nft"
	"github.com/sluice-net/sluice/enforcer/nft/nfttest"
	"github.com/sluice-net/sluice/internal/artifact"
)

func open(t testing.TB, node string, o nft.Options) *nft.Kernel {
	t.Helper()
	k, err := nft.Open(node, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func sync(t testing.TB, k *nft.Kernel, rs *artifact.Ruleset, want nft.Transaction) nft.Report {
	t.Helper()
	rep, err := k.Sync(context.Background(), rs)
	if err != nil {
		t.Fatalf("sync: %v", err)
	}
	if rep.Transaction != want {
		t.Fatalf("sync: %s, want %s (recovered from: %v)", rep.Transaction, want, rep.Recovered)
	}
	return rep
}

func listing(t testing.TB) string {
	t.Helper()
	return nfttest.Nft(t, "", "-s", "list", "table", "inet", nft.TableName)
}

func render(t testing.TB, rs *artifact.Ruleset, node string) *nft.Table {
	t.Helper()
	table, err := nft.Render(rs, node)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// What the nft program loads from the script and what the enforcer loads are
// the same to the program that lists them.
func TestScriptEqualsLoad(t *testing.T) {
	nfttest.NeedNft(t)
	nfttest.Namespace(t)
	rs := everything(t)
	for _, node := range []string{"n1", "n2"} {
		script := render(t, rs, node).Script()
		nfttest.Nft(t, script, "-f", "-")
		byScript := listing(t)
		nfttest.Nft(t, "", "delete", "table", "inet", nft.TableName)
		sync(t, open(t, node, nft.Options{}), rs, nft.Replaced)
		if byKernel := listing(t); byKernel != byScript {
			t.Errorf("node %s: by netlink\n%s\nby script\n%s", node, byKernel, byScript)
		}
		// What it lists, it loads.
		nfttest.Nft(t, "flush ruleset\n"+byScript, "-f", "-")
		if again := listing(t); again != byScript {
			t.Errorf("node %s: after loading its listing\n%s\nbefore\n%s", node, again, byScript)
		}
	}
}

// Names that would be something else to the nft program are comments to it.
func TestOddNames(t *testing.T) {
	nfttest.NeedNft(t)
	nfttest.Namespace(t)
	k := open(t, "n1", nft.Options{})
	for _, name := range oddNames {
		rs := namedOddly(t, name)
		if _, err := k.Sync(t.Context(), rs); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		byKernel := listing(t)
		nfttest.Nft(t, render(t, rs, "n1").Script(), "-f", "-")
		sameTable(t, name, byKernel, listing(t))
	}
}
