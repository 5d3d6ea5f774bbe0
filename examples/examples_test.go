package examples

import (
	"io/fs"
	"testing"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/compiler/source"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/policytest"
	"github.com/sluice-net/sluice/internal/query"
)

// compile returns the questions that the manifests of some examples answer.
func compile(t *testing.T, dirs ...string) *query.Evaluator {
	t.Helper()
	snap, ds, err := source.Load(dirs, source.Options{})
	if err != nil || ds.Has(diag.Error) {
		t.Fatal(err, ds)
	}
	rs, ds := compiler.Compile(snap, compiler.Options{})
	if rs == nil || len(ds) > 0 {
		t.Fatal(ds)
	}
	return query.New(rs)
}

func TestEveryExampleCompiles(t *testing.T) {
	dirs, err := fs.ReadDir(FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		t.Run(d.Name(), func(t *testing.T) { compile(t, d.Name()) })
	}
}

// The shop's own tests pass and reach most of its rules.
func TestShopTests(t *testing.T) {
	snap, ds, err := source.Load([]string{"shop"}, source.Options{})
	if err != nil || ds.Has(diag.Error) {
		t.Fatal(err, ds)
	}
	rs, _ := compiler.Compile(snap, compiler.Options{})
	text, err := FS.ReadFile("shop/shop_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	run, ran := policytest.NewRunner(rs), 0
	for _, d := range policytest.Parse("shop_test.yaml", text) {
		s := run.Run(d)
		if len(s.Diags) > 0 {
			t.Error(s.Diags)
		}
		for _, r := range s.Results {
			ran++
			if !r.Passed {
				t.Errorf("%s: %s: want %s, got %s", r.Name, r.Connection, r.Want, r.Got)
			}
		}
	}
	if ran == 0 || run.Coverage().Below(70) {
		t.Errorf("%d tests, coverage %+v", ran, run.Coverage())
	}
}

// What the shop's README and its comments promise.
func TestShop(t *testing.T) {
	shop, changed := compile(t, "shop"), compile(t, "shop", "shop-changes")
	for _, q := range []struct {
		src, dst, protocol string
		port               int
		want, later        string
	}{
		{"ip:198.51.100.1", "ingress/Deployment/gateway", "TCP", 8080, "allow", "allow"},
		{"ip:2001:db8:1::1", "ingress/Deployment/gateway", "TCP", 8080, "allow", "allow"},
		{"ip:10.244.9.9", "ingress/Deployment/gateway", "TCP", 8080, "deny", "deny"},
		{"ip:198.51.100.1", "ingress/Deployment/gateway", "TCP", 9102, "deny", "deny"},
		{"ingress/Deployment/gateway", "shop/Deployment/frontend", "TCP", 8080, "allow", "allow"},
		{"ingress/Deployment/gateway", "shop/Deployment/cart", "TCP", 7070, "deny", "deny"},
		{"shop/Deployment/frontend", "shop/Deployment/cart", "TCP", 7070, "allow", "allow"},
		{"shop/Deployment/frontend", "shop/Deployment/cart", "TCP", 5050, "deny", "deny"},
		{"shop/Deployment/frontend", "shop/Deployment/checkout", "TCP", 5050, "allow", "allow"},
		{"shop/Deployment/frontend", "payments/Deployment/payments", "TCP", 8443, "deny", "deny"},
		{"shop/Deployment/checkout", "payments/Deployment/payments", "TCP", 8443, "allow", "allow"},
		{"shop/Deployment/checkout", "payments/Deployment/payments", "ICMP", 0, "deny", "deny"},
		{"payments/Deployment/payments", "ip:203.0.113.1", "TCP", 443, "allow", "allow"},
		{"payments/Deployment/payments", "ip:203.0.113.129", "TCP", 443, "deny", "deny"},
		{"shop/Deployment/orders", "data/StatefulSet/postgres", "TCP", 5432, "allow", "allow"},
		{"shop/Deployment/cart", "data/StatefulSet/postgres", "TCP", 5432, "deny", "deny"},
		{"monitoring/StatefulSet/prometheus", "data/StatefulSet/postgres", "TCP", 9187, "allow", "allow"},
		{"monitoring/StatefulSet/prometheus", "data/StatefulSet/postgres", "TCP", 9121, "deny", "deny"},
		{"shop/Deployment/cart", "kube-system/Deployment/coredns", "UDP", 53, "allow", "allow"},
		{"legacy/Deployment/tenant", "kube-system/Deployment/coredns", "UDP", 53, "allow", "deny"},
		{"legacy/Deployment/tenant", "shop/Deployment/catalog", "TCP", 3550, "allow", "deny"},
		{"ip:198.51.100.1", "legacy/Deployment/tenant", "TCP", 8000, "allow", "deny"},
		{"batch/CronJob/report", "shop/Deployment/orders", "TCP", 8081, "deny", "allow"},
	} {
		src, err := query.ParseEnd(q.src)
		if err != nil {
			t.Fatal(err)
		}
		dst, err := query.ParseEnd(q.dst)
		if err != nil {
			t.Fatal(err)
		}
		for e, want := range map[*query.Evaluator]string{shop: q.want, changed: q.later} {
			a, err := e.Eval(query.Query{Src: src, Dst: dst, Protocol: q.protocol, Port: &q.port})
			if err != nil || a.Verdict != want {
				t.Errorf("%s -> %s %d/%s: %s, %v; want %s", q.src, q.dst, q.port, q.protocol, a.Verdict, err, want)
			}
		}
	}
}
