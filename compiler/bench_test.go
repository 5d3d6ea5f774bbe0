package compiler

import (
	"fmt"
	"testing"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/oracle/gen"
)

// BenchmarkCompile compiles realistic clusters with as many policies as pods;
// ns/op divided by the size shows the growth.
func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		s := gen.Scale(gen.ScaleOptions{Seed: 1, Pods: n, Policies: min(n, 10_000), Namespaces: min(n/20, 500)})
		b.Run(fmt.Sprintf("pods=%d/policies=%d", n, len(s.Policies)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if rs, ds := Compile(s, Options{}); rs == nil {
					b.Fatal(ds)
				}
			}
		})
	}
}

// BenchmarkEncode encodes what BenchmarkCompile compiles.
func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		s := gen.Scale(gen.ScaleOptions{Seed: 1, Pods: n, Policies: min(n, 10_000), Namespaces: min(n/20, 500)})
		rs, ds := Compile(s, Options{})
		if rs == nil {
			b.Fatal(ds)
		}
		b.Run(fmt.Sprintf("pods=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				out, err := artifact.Encode(rs)
				if err != nil {
					b.Fatal(err)
				}
				size = len(out)
			}
			b.ReportMetric(float64(size), "bytes")
			b.ReportMetric(float64(len(rs.Program.Profiles)), "profiles")
			b.ReportMetric(float64(len(rs.Program.Clauses)), "clauses")
		})
	}
}
