package property_test

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/cases"
	"github.com/sluice-net/sluice/internal/oracle/gen"
	"github.com/sluice-net/sluice/internal/oracle/shrink"
	"github.com/sluice-net/sluice/internal/verify"
	"github.com/sluice-net/sluice/tests/property"
)

var (
	count = flag.Int("connections", 0, "how many connections to check; otherwise SLUICE_PROPERTY_N, or 50000")
	seed  = flag.String("seed", "", "first seed, or \"random\"; otherwise SLUICE_PROPERTY_SEED, or 1")
)

// amount returns how many connections to check. It must be called within a
// test: the go command caches results by the variables that tests look at.
func amount(t *testing.T) int {
	t.Helper()
	if *count > 0 {
		return *count
	}
	n, err := strconv.Atoi(cmp.Or(os.Getenv("SLUICE_PROPERTY_N"), "50000"))
	if err != nil {
		t.Fatal("SLUICE_PROPERTY_N:", err)
	}
	return n
}

// firstSeed returns the seed of the first cluster.
func firstSeed(t *testing.T) uint64 {
	t.Helper()
	text := cmp.Or(*seed, os.Getenv("SLUICE_PROPERTY_SEED"), "1")
	if text == "random" {
		return rand.Uint64()
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal("seed:", err)
	}
	return n
}

// compileWith is the compiler under test with a default verdict.
func compileWith(fallback model.Verdict) property.Compile {
	return func(s *model.Snapshot) (*artifact.Ruleset, error) {
		rs, ds := compiler.Compile(s, compiler.Options{DefaultDeny: fallback == model.Deny})
		if ds.Has(diag.Error) {
			return nil, fmt.Errorf("%v", ds)
		}
		if rs == nil {
			return nil, errors.New("no ruleset and no error")
		}
		return rs, nil
	}
}

func TestCases(t *testing.T) {
	for _, c := range cases.All() {
		t.Run(c.Name, func(t *testing.T) {
			s, err := property.New(c.Snapshot, oracle.Options{Default: c.Default}, compileWith(c.Default))
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range c.Connections {
				if err := s.Check(q.Connection); err != nil {
					t.Errorf("%s: %v", q, err)
				}
			}
		})
	}
}

// perCluster is how many connections each generated cluster is asked about.
const perCluster = 100

func TestGenerated(t *testing.T) {
	first := firstSeed(t)
	t.Logf("seeds from %d on", first)
	clusters := make(chan uint64)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for n := range clusters {
				checkCluster(t, n)
			}
		})
	}
	for n := range uint64(amount(t) / perCluster) {
		if t.Failed() {
			break
		}
		clusters <- first + n
	}
	close(clusters)
	workers.Wait()
}

// checkCluster checks one generated cluster: answers, and that the order of
// the input leaves no trace in the bytes. Every other one has all tiers,
// every fifth is dense.
func checkCluster(t *testing.T, n uint64) {
	snapshot := gen.Cluster(gen.Options{Seed: n, Tiers: n%2 == 0, Dense: n%5 == 0})
	var o oracle.Options
	if n%7 == 0 {
		o.Default = model.Deny
	}
	compile := compileWith(o.Default)
	s, err := property.New(snapshot, o, compile)
	if err != nil {
		t.Errorf("seed %d: %v", n, err)
		return
	}
	again, err := property.New(gen.Shuffle(snapshot, n), o, compile)
	if err != nil {
		t.Errorf("seed %d: shuffled: %v", n, err)
	} else if !bytes.Equal(s.Encoded, again.Encoded) {
		t.Errorf("seed %d: the bytes depend on the order of the input", n)
	}
	prober := gen.NewProber(snapshot, n)
	for range perCluster {
		c := prober.Next()
		if err := s.Check(c); err != nil {
			report(t, n, snapshot, c, o, err)
			return
		}
	}
}

// report shrinks a failure and writes it where it survives the test.
func report(t *testing.T, n uint64, snapshot *model.Snapshot, c oracle.Connection, o oracle.Options, wrong error) {
	t.Errorf("seed %d: %s: %v", n, c, wrong)
	compile := compileWith(o.Default)
	check := func(s *model.Snapshot, c oracle.Connection) error {
		built, err := property.New(s, o, compile)
		if err != nil {
			return nil // another failure than the one to shrink
		}
		return built.Check(c)
	}
	small, q := shrink.Shrink(snapshot, c, func(s *model.Snapshot, c oracle.Connection) bool {
		return verify.SameKind(wrong, check(s, c))
	}, 3000)
	wrong = check(small, q)
	dir := filepath.Join(os.TempDir(), "sluice-property", fmt.Sprintf("seed-%d", n))
	if err := shrink.Write(dir, small, q, wrong.Error()); err != nil {
		t.Error(err)
	}
	t.Logf("shrunk to %d policies and %d pods in %s: %s: %v", len(small.Policies), len(small.Pods), dir, q, wrong)
}
