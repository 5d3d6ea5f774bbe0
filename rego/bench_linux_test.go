package rego

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-net/sluice/internal/diag"
)

// benchModules writes rules with constants, and one rule over a list of pairs.
func benchModules(b *testing.B, rules, edges int) string {
	b.Helper()
	var m, d strings.Builder
	m.WriteString("package sluice.segments\n")
	for i := range rules {
		fmt.Fprintf(&m, `
allow contains {"id": "rule-%d", "priority": %d} if {
	input.src.namespace.labels.tier == "t%d"
	input.dst.labels.app == "app-%d"
	input.protocol == "TCP"
	input.port in {80, %d}
}
`, i, i%100, i%20, i, 1000+i)
	}
	d.WriteString("{\"edges\": [")
	if edges > 0 {
		m.WriteString(`
deny contains {"id": sprintf("%s-%s", [e.from, e.to])} if {
	some e in data.edges
	input.src.labels.segment == e.from
	input.dst.labels.segment == e.to
}
`)
		for i := range edges {
			if i > 0 {
				d.WriteByte(',')
			}
			fmt.Fprintf(&d, `{"from": "s%d", "to": "s%d"}`, i/100, i%100)
		}
	}
	d.WriteString("]}")
	dir := b.TempDir()
	for name, text := range map[string]string{"m.rego": m.String(), "d.json": d.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// cpu is the time that the process has had on all processors.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkCompile(b *testing.B) {
	for _, c := range []struct{ rules, edges int }{{500, 0}, {5000, 0}, {0, 1000}, {0, 10000}, {500, 10000}} {
		b.Run(fmt.Sprintf("rules=%d/edges=%d", c.rules, c.edges), func(b *testing.B) {
			dir := benchModules(b, c.rules, c.edges)
			s := testSnapshot()
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				m, ds, err := Load([]string{dir})
				if err != nil || ds.Has(diag.Error) {
					b.Fatal(err, ds)
				}
				ps, ds := m.Compile(context.Background(), NewInventory(s))
				if ds.Has(diag.Error) {
					b.Fatal(ds)
				}
				b.ReportMetric(float64(len(ps)), "policies")
			}
			b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}
