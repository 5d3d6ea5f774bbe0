package netns

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-net/sluice/enforcer/nft"
	"github.com/sluice-net/sluice/internal/model"
)

// What the kernel does equals what the oracle and the artifact say, for
// connections that aim at the edges of generated policies.
// SLUICE_KERNEL_CONNECTIONS says how many; SLUICE_KERNEL_SEED is the seed of
// the first cluster.
func TestKernelAgreesWithOracleAndArtifact(t *testing.T) {
	privileged(t)
	const perCluster = 200
	count, first := number(t, "SLUICE_KERNEL_CONNECTIONS", 600), number(t, "SLUICE_KERNEL_SEED", 1)
	var sent, through, next atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for int(next.Load())*perCluster < count && !t.Failed() {
				g := generate(t, uint64(first)+uint64(next.Add(1))-1)
				if g == nil {
					return
				}
				o := g.probe(perCluster)
				g.close()
				sent.Add(int64(o.sent))
				through.Add(int64(o.through))
				for _, difference := range o.differences {
					t.Error(difference)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d connections in %d clusters: %d let through", sent.Load(), next.Load(), through.Load())
}

// The kernel still agrees after policies and pods came, went and changed,
// and it was told the differences only.
func TestKernelAgreesAfterChanges(t *testing.T) {
	privileged(t)
	const clusters, rounds, perRound = 4, 4, 100
	first := number(t, "SLUICE_KERNEL_SEED", 1)
	transactions := make(map[nft.Transaction]int)
	sent, through := 0, 0
	for seed := uint64(first); seed < uint64(first)+clusters; seed++ {
		g := generate(t, seed)
		if g == nil {
			return
		}
		base, dice := g.snap, rand.New(rand.NewPCG(seed, 99))
		for range rounds {
			reports, err := g.enforce(change(base, dice))
			if err != nil {
				t.Errorf("seed %d: %v", seed, err)
				break
			}
			for _, r := range reports {
				transactions[r.Transaction]++
			}
			o := g.probe(perRound)
			sent, through = sent+o.sent, through+o.through
			for _, difference := range o.differences {
				t.Error(difference)
			}
		}
		g.close()
	}
	t.Logf("%d connections, %d let through; transactions: %v", sent, through, transactions)
	if transactions[nft.Changed] == 0 {
		t.Error("no change was a difference")
	}
}

// change returns the snapshot without some of its policies, with some of its
// pods finished, and with the labels of others exchanged.
func change(base *model.Snapshot, dice *rand.Rand) *model.Snapshot {
	s := *base
	s.Policies, s.Pods = nil, append([]model.Pod(nil), base.Pods...)
	for _, p := range base.Policies {
		if dice.IntN(3) > 0 {
			s.Policies = append(s.Policies, p)
		}
	}
	for i := range s.Pods {
		switch j := dice.IntN(len(s.Pods)); dice.IntN(8) {
		case 0:
			s.Pods[i].Finished = s.Pods[i].Finished || !s.Pods[i].StandIn
		case 1:
			s.Pods[i].Labels, s.Pods[j].Labels = s.Pods[j].Labels, s.Pods[i].Labels
		}
	}
	return &s
}

// The comparison can fail: without rules in the kernel it does.
func TestAgreementNoticesMissingRules(t *testing.T) {
	privileged(t)
	g := generate(t, 1)
	if g == nil {
		return
	}
	defer g.close()
	for _, n := range g.cluster.Nodes {
		loadScript(t, n.Host, "flush ruleset")
	}
	if o := g.probe(200); len(o.differences) == 0 {
		t.Error("no difference without any rules")
	}
}

func number(t *testing.T, env string, otherwise int) int {
	t.Helper()
	s := os.Getenv(env)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	return n
}
