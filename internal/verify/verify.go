package verify

import (
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
)

// Options bound a verification. A zero field means its default.
type Options struct {
	// MaxConnections is how many questions are asked; if there are more, every
	// second, third, ... of them, and Result.Skipped says how many were left
	// out. Default 1,000,000.
	MaxConnections int
	// Default is the verdict that what no tier decides was to have; by default
	// the one that the ruleset says.
	Default artifact.Verdict
	// MaxFailures is how many disagreements are collected; default 10.
	MaxFailures int
}

// Failure is a connection on which artifact and evaluator disagree, or a pod or
// node that the artifact has wrong; Connection is zero then.
type Failure struct {
	Connection oracle.Connection
	Err        error
}

// String says what is wrong, the connection first.
func (f Failure) String() string {
	if f.Connection == (oracle.Connection{}) {
		return f.Err.Error()
	}
	return fmt.Sprintf("%v: %v", f.Connection, f.Err)
}

// Result says what was asked and what came out.
type Result struct {
	Asked    int
	Skipped  int
	Failures []Failure // empty: they agree
}

// Run holds rs, compiled from s, against the slow evaluator. The questions and
// their order depend on s and rs only. Failures are sorted by how little there
// is to them: the first is the one to show.
func Run(s *model.Snapshot, rs *artifact.Ruleset, o Options) Result {
	if o.MaxConnections == 0 {
		o.MaxConnections = 1_000_000
	}
	if o.MaxFailures == 0 {
		o.MaxFailures = 10
	}
	if o.Default == 0 {
		o.Default = rs.Header.Default
	}
	c := NewChecker(s, rs, o.Default)
	k := newCast(s, c.oracle)
	questions := []iter.Seq[oracle.Connection]{k.fromPolicies(s), c.fromClauses(k)}

	total := 0
	for _, q := range questions {
		for range q {
			total++
		}
	}
	stride := (total + o.MaxConnections - 1) / o.MaxConnections
	r := Result{Failures: c.membership()}
	workers := runtime.GOMAXPROCS(0)
	batches := make(chan []oracle.Connection, workers)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for batch := range batches {
				for _, q := range batch {
					if err := c.Check(q); err != nil {
						mu.Lock()
						r.Failures = append(r.Failures, Failure{q, err})
						mu.Unlock()
					}
				}
			}
		})
	}
	const size = 256
	var batch []oracle.Connection
	n := 0
	for _, q := range questions {
		for conn := range q {
			if n++; stride > 1 && n%stride != 0 {
				r.Skipped++
				continue
			}
			r.Asked++
			if batch = append(batch, conn); len(batch) == size {
				batches <- batch
				batch = nil
			}
		}
	}
	batches <- batch
	close(batches)
	wg.Wait()
	slices.SortStableFunc(r.Failures, func(a, b Failure) int {
		x, y := a.String(), b.String()
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		if x < y {
			return -1
		}
		return 1
	})
	r.Failures = r.Failures[:min(len(r.Failures), o.MaxFailures)]
	return r
}
