package verify_test

import (
	"fmt"
	"testing"

	"github.com/sluice-net/sluice/internal/oracle/gen"
	"github.com/sluice-net/sluice/internal/verify"
)

// BenchmarkRun verifies realistic clusters with as many policies as pods.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		s := gen.Scale(gen.ScaleOptions{Seed: 1, Pods: n, Policies: n, Namespaces: n / 20})
		rs := compile(b, s)
		b.Run(fmt.Sprintf("pods=%d/policies=%d", n, len(s.Policies)), func(b *testing.B) {
			b.ReportAllocs()
			asked := 0
			for b.Loop() {
				r := verify.Run(s, rs, verify.Options{})
				if len(r.Failures) > 0 {
					b.Fatal(r.Failures[0])
				}
				asked = r.Asked
			}
			b.ReportMetric(float64(asked), "questions")
		})
	}
}
