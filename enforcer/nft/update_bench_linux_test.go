package nft_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netns"

	"github.com/sluice-net/sluice/enforcer/nft"
	"github.com/sluice-net/sluice/enforcer/nft/nfttest"
	"github.com/sluice-net/sluice/internal/artifact"
)

// big is 10,000 policies that all concern pods of the node, and 100,000
// addresses.
var big = nfttest.Cluster{Local: 250, Remote: 100_000, Groups: 4999, PerPod: 40, Ports: 10}

// BenchmarkRender measures the whole rendering of big.
func BenchmarkRender(b *testing.B) {
	rs := big.Ruleset(b)
	var table *nft.Table
	for b.Loop() {
		table = render(b, rs, "n1")
	}
	b.ReportMetric(float64(table.Len()), "elements")
	b.ReportMetric(float64(len(table.Chains)), "chains")
}

// BenchmarkFullLoad measures the transaction that loads big, and its
// verification.
func BenchmarkFullLoad(b *testing.B) {
	big, small := render(b, big.Ruleset(b), "n1"), render(b, everything(b), "n1") // of other pod ranges
	k := openUnlocked(b)
	for b.Loop() {
		b.StopTimer()
		if _, err := k.Apply(b.Context(), small); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := k.Apply(b.Context(), big); err != nil {
			b.Fatal(err)
		}
	}
}

// openUnlocked opens a kernel in a namespace of its own, for a goroutine that
// may run on any thread, as the enforcer's does: the sockets stay where they
// were opened.
func openUnlocked(b *testing.B) *nft.Kernel {
	nfttest.NeedRoot(b)
	type result struct {
		k   *nft.Kernel
		err error
	}
	opened := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends here
		if _, err := netns.New(); err != nil {
			opened <- result{nil, err}
			return
		}
		k, err := nft.Open("n1", nft.Options{})
		opened <- result{k, err}
	}()
	r := <-opened
	if r.err != nil {
		b.Fatal(r.err)
	}
	b.Cleanup(func() { _ = r.k.Close() })
	return r.k
}

// BenchmarkOneRemotePod measures a pod's coming and going at another node:
// from two rendered tables to the verified commit of their difference.
func BenchmarkOneRemotePod(b *testing.B) {
	builder, class := big.Builder()
	without := builder.Ruleset(b)
	builder.PodAt("new", 1, class, nfttest.RemoteAddr(big.Remote))
	benchmarkFlip(b, without, builder.Ruleset(b))
}

// BenchmarkOneLocalPod is BenchmarkOneRemotePod for a pod of the node, with a
// policy that no other pod has: a chain comes and goes as well.
func BenchmarkOneLocalPod(b *testing.B) {
	builder, _ := big.Builder()
	tier := builder.Tier(ingress, artifact.TierNamespace, deny,
		say(allow, builder.Group("app=0"), builder.Ports(nfttest.UDP(8000)), "own"))
	class := builder.Class(builder.Profile(ingress, tier), 0, "app=0")
	without := builder.Ruleset(b)
	builder.PodAt("new", 0, class, nfttest.LocalAddr(big.Local))
	benchmarkFlip(b, without, builder.Ruleset(b))
}

func benchmarkFlip(b *testing.B, one, two *artifact.Ruleset) {
	tables := []*nft.Table{render(b, one, "n1"), render(b, two, "n1")}
	k := openUnlocked(b)
	var rep nft.Report
	apply := func(t *nft.Table) {
		var err error
		if rep, err = k.Apply(b.Context(), t); err != nil {
			b.Fatal(err)
		}
	}
	apply(tables[1])
	runtime.GC()
	i := 0
	commit := time.Duration(0)
	for b.Loop() {
		apply(tables[i%2])
		commit += rep.Commit
		i++
		if rep.Transaction != nft.Changed || rep.Recovered != nil {
			b.Fatalf("%+v", rep)
		}
	}
	b.ReportMetric(float64(rep.Elements), "elements")
	b.ReportMetric(float64(commit.Microseconds())/float64(i), "µs-commit")
}
