package demo

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/compiler/source"
	"github.com/sluice-net/sluice/examples"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/testbed/probe"
)

func shop(t *testing.T) []workload {
	t.Helper()
	ws, err := readWorkloads(examples.FS, "shop")
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

func TestReadWorkloads(t *testing.T) {
	var names []string
	for _, w := range shop(t) {
		names = append(names, w.kind+"/"+w.namespace+"/"+w.name)
	}
	if len(names) != 13 || names[0] != "Deployment/ingress/gateway" || !slices.Contains(names, "CronJob/batch/report") {
		t.Errorf("workloads: %v", names)
	}
	for _, w := range shop(t) {
		if w.name == "coredns" {
			want := []port{{"dns", probe.UDP, 53}, {"dns-tcp", probe.TCP, 53}, {"metrics", probe.TCP, 9153}}
			if !slices.Equal(w.ports, want) || w.replicas != 2 {
				t.Errorf("coredns: %d replicas with ports %v", w.replicas, w.ports)
			}
		}
	}
}

// The pods that the demo makes up take the place of their workloads.
func TestPodsReplaceWorkloads(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, examples.FS); err != nil {
		t.Fatal(err)
	}
	objects := []object{nodeObject("node-1", []netip.Addr{netip.MustParseAddr("10.30.0.1")}, []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")})}
	ws, addr := shop(t), netip.MustParseAddr("10.244.1.2")
	for i := range ws {
		objects = append(objects, ws[i].podObject(ws[i].name+"-0", "node-1", []netip.Addr{addr}))
		addr = addr.Next()
	}
	b, err := writeObjects(objects)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cluster.yaml"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	snap, ds, err := source.Load([]string{dir}, source.Options{})
	if err != nil || ds.Has(diag.Error) {
		t.Fatal(err, ds)
	}
	if len(snap.Pods) != len(ws) || len(snap.Nodes) != 1 {
		t.Errorf("%d pods on %d nodes, want %d on 1", len(snap.Pods), len(snap.Nodes), len(ws))
	}
	for i := range snap.Pods {
		p := &snap.Pods[i]
		if p.StandIn || p.Node != "node-1" || len(p.Addresses) != 1 || strings.HasPrefix(p.Workload, "Pod/") {
			t.Errorf("%s/%s: %+v", p.Namespace, p.Name, p)
		}
	}
	if rs, ds := compiler.Compile(snap, compiler.Options{}); rs == nil {
		t.Error(ds)
	}
}

func TestGrid(t *testing.T) {
	http, metrics := port{"http", probe.TCP, 80}, port{"metrics", probe.TCP, 9102}
	g := newGrid([]string{"web", "prometheus"}, []column{{"web", []port{http, metrics, icmp}}, {"prometheus", []port{http}}})
	g.add(place{0, 0, 0}, true, true)
	g.add(place{0, 0, 1}, true, false)
	g.add(place{0, 0, 2}, false, false)
	g.add(place{0, 1, 0}, true, true)
	g.add(place{0, 1, 0}, false, false)
	g.add(place{1, 0, 1}, false, true)
	var b strings.Builder
	g.print(&screen{w: &b, start: time.Now()})
	const want = `
            web prometh…
            hmi h
  web       ●X· ◐
  prometh…   X

           ● let through   · dropped   X not as the artifact says
           h http, i icmp, m metrics

`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n, through, wrong := g.totals(); n != 6 || through != 3 || wrong != 2 {
		t.Errorf("totals: %d, %d, %d", n, through, wrong)
	}
	after := newGrid(g.rows, g.columns)
	after.add(place{0, 0, 0}, false, false)
	after.add(place{0, 0, 2}, false, false)
	if got := after.changed(g); len(got) != 1 || g.name(got[0]) != "web -> web http 80/TCP" {
		t.Errorf("changed: %v", got)
	}
}

func TestTableFitsTheTerminal(t *testing.T) {
	var names []string
	var columns []column
	for _, w := range shop(t) {
		names = append(names, w.name)
		columns = append(columns, column{w.name, append(w.ports, icmp)})
	}
	names, columns = append(names, "outside"), append(columns, column{"outside", []port{icmp, icmp}})
	g := newGrid(names, columns)
	for i := range names {
		for j := range columns {
			for k := range columns[j].ports {
				g.add(place{i, j, k}, true, true)
			}
		}
	}
	var b strings.Builder
	g.print(&screen{w: &b})
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 120 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestColour(t *testing.T) {
	for _, colour := range []bool{false, true} {
		var b strings.Builder
		s := &screen{w: &b, colour: colour, start: time.Now()}
		s.step("probe", "%s", s.paint(alarm, "wrong"))
		if got := strings.Contains(b.String(), "\x1b["); got != colour {
			t.Errorf("colour %v: %q", colour, b.String())
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
