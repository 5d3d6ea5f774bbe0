package nft_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/enforcer/nft"
	"github.com/sluice-net/sluice/enforcer/nft/nfttest"
)

// The list of a message's elements is an attribute, whose length has 16 bits:
// the netlink library wraps it around without an error.
func TestManyElements(t *testing.T) {
	nfttest.NeedNft(t)
	nfttest.Namespace(t)
	k := open(t, "n1", nft.Options{})
	for _, n := range []int{4095, 4096, 10_000, 100_000} {
		rs := nfttest.Cluster{Local: 1, Remote: n - 1, Groups: 1, PerPod: 1}.Ruleset(t)
		if _, err := k.Sync(t.Context(), rs); err != nil {
			t.Fatalf("%d addresses: %v", n, err)
		}
		var set string
		for name, s := range render(t, rs, "n1").Sets {
			if s.Key == nft.KeyAddr && !s.Interval && !s.Map {
				set = name
			}
		}
		if got := strings.Count(nfttest.Nft(t, "", "list", "set", "inet", nft.TableName, set), ",") + 1; got != n {
			t.Errorf("%d addresses: the set has %d", n, got)
		}
	}
}

// With small buffers the kernel commits and then cannot say so.
func TestLostAnswers(t *testing.T) {
	nfttest.NeedNft(t)
	nfttest.Namespace(t)
	rs := nfttest.Cluster{Local: 2000, Groups: 10, PerPod: 2}.Ruleset(t)
	k := open(t, "n1", nft.Options{ReadBuffer: 4096})
	rep := sync(t, k, rs, nft.Replaced)
	if !errors.Is(rep.Recovered, unix.ENOBUFS) {
		t.Fatalf("recovered from %v, want ENOBUFS: the test proves nothing", rep.Recovered)
	}
	got := listing(t)
	nfttest.Nft(t, render(t, rs, "n1").Script(), "-f", "-")
	sameTable(t, "after ENOBUFS", got, listing(t))
}

// What does not fit in the buffer is an error before anything is sent.
func TestTooBigToSend(t *testing.T) {
	nfttest.NeedNft(t)
	nfttest.Namespace(t)
	small := everything(t)
	k := open(t, "n1", nft.Options{WriteBuffer: 128 << 10})
	sync(t, k, small, nft.Replaced)
	before := listing(t)
	_, err := k.Sync(t.Context(), nfttest.Cluster{Local: 1, Remote: 100_000, Groups: 1, PerPod: 1}.Ruleset(t))
	if !errors.Is(err, unix.EMSGSIZE) {
		t.Fatalf("got %v, want EMSGSIZE", err)
	}
	if listing(t) != before {
		t.Error("the failed transaction changed the table")
	}
	sync(t, k, small, nft.Adopted)
}

// One bad message in the middle undoes all the others.
func TestBadBatch(t *testing.T) {
	nfttest.NeedNft(t)
	nfttest.Namespace(t)
	rs := everything(t)
	k := open(t, "n1", nft.Options{})
	sync(t, k, rs, nft.Replaced)
	before := listing(t)
	bad := render(t, nfttest.Random(t, 3), "n1")
	bad.Chains["broken"] = &nft.Chain{Name: "broken", Rules: []nft.Rule{{
		Match: []nft.Match{{Field: nft.FieldAddr, Set: "no-such-set"}}, Verdict: nft.Verdict{Kind: nft.Drop},
	}}}
	_, err := k.Apply(t.Context(), bad)
	if err == nil || !strings.Contains(err.Error(), "table inet sluice") {
		t.Fatalf("got %v, want an error that names the table", err)
	}
	if got := listing(t); got != before {
		t.Errorf("the failed transaction changed the table:\n%s", got)
	}
	sync(t, k, rs, nft.Adopted)
	delete(bad.Chains, "broken")
	if _, err := k.Apply(t.Context(), bad); err != nil {
		t.Errorf("after the failure: %v", err)
	}
}

// Others' tables stay as they are.
func TestForeignTables(t *testing.T) {
	nfttest.NeedNft(t)
	nfttest.Namespace(t)
	const foreign = `
table inet other { chain forward { type filter hook forward priority 0; policy accept; counter; }; }
table ip sluice { set local4 { type ipv4_addr; elements = { 1.2.3.4 }; }; }
table inet sluice2 { chain forward { }; }
`
	nfttest.Nft(t, foreign, "-f", "-")
	before := nfttest.Nft(t, "", "list", "ruleset")
	k := open(t, "n1", nft.Options{})
	for seed := range uint64(5) {
		if _, err := k.Sync(t.Context(), nfttest.Random(t, seed)); err != nil {
			t.Fatal(err)
		}
	}
	nfttest.Nft(t, "", "delete", "table", "inet", nft.TableName)
	if after := nfttest.Nft(t, "", "list", "ruleset"); after != before {
		t.Errorf("foreign tables before:\n%s\nafter:\n%s", before, after)
	}
}

// Whatever happened to the table meanwhile, Sync ends with the right one.
func TestRecovers(t *testing.T) {
	nfttest.NeedNft(t)
	first, second := everything(t), nfttest.Random(t, 9)
	for name, damage := range map[string]func(t *testing.T){
		"table deleted": func(t *testing.T) { nfttest.Nft(t, "", "delete", "table", "inet", nft.TableName) },
		"all flushed":   func(t *testing.T) { nfttest.Nft(t, "", "flush", "ruleset") },
		"marker deleted": func(t *testing.T) {
			nfttest.Nft(t, "", "delete", "set", "inet", nft.TableName, "marker")
		},
		"pod deleted": func(t *testing.T) {
			nfttest.Nft(t, "", "delete", "element", "inet", nft.TableName, "egress4", "{ 10.244.1.2 }")
		},
		"other table": func(t *testing.T) {
			nfttest.Nft(t, "table inet sluice { chain forward { }; set marker { type mark; comment \"mine\"; }; }", "-f", "-")
		},
		"another enforcer": func(t *testing.T) { sync(t, open(t, "n2", nft.Options{}), nfttest.Random(t, 1), nft.Replaced) },
	} {
		t.Run(name, func(t *testing.T) {
			nfttest.Namespace(t)
			k := open(t, "n1", nft.Options{})
			sync(t, k, first, nft.Replaced)
			sync(t, k, first, nft.Unchanged)
			damage(t)
			if _, err := k.Sync(t.Context(), second); err != nil {
				t.Fatal(err)
			}
			got := listing(t)
			nfttest.Nft(t, render(t, second, "n1").Script(), "-f", "-")
			sameTable(t, "after recovery", got, listing(t))
		})
	}
}

// A new process finds out what stands.
func TestRestart(t *testing.T) {
	nfttest.NeedNft(t)
	nfttest.Namespace(t)
	rs := everything(t)
	sync(t, open(t, "n1", nft.Options{}), rs, nft.Replaced)
	sync(t, open(t, "n1", nft.Options{}), rs, nft.Adopted)
	sync(t, open(t, "n2", nft.Options{}), rs, nft.Replaced)
	sync(t, open(t, "n1", nft.Options{}), rs, nft.Replaced)
	nfttest.Nft(t, "", "delete", "element", "inet", nft.TableName, "egress4", "{ 10.244.1.2 }")
	sync(t, open(t, "n1", nft.Options{}), rs, nft.Replaced)
	nfttest.Nft(t, "", "flush", "chain", "inet", nft.TableName, "forward")
	sync(t, open(t, "n1", nft.Options{}), rs, nft.Replaced)
	nfttest.Nft(t, render(t, rs, "n1").Script(), "-f", "-")
	sync(t, open(t, "n1", nft.Options{}), rs, nft.Adopted)
}

func TestCancelled(t *testing.T) {
	nfttest.Namespace(t)
	k := open(t, "n1", nft.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Sync(ctx, everything(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
