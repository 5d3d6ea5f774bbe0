package netns

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/compiler/source"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/testbed"
	"github.com/sluice-net/sluice/internal/testbed/daemon"
	"github.com/sluice-net/sluice/internal/testbed/probe"
)

// fleet is a cluster whose nodes run sluiced: from manifests to packets.
type fleet struct {
	*testbed.Cluster
	t       *testing.T
	file    string // the artifact that every node follows
	rs      *artifact.Ruleset
	daemons []*daemon.Daemon
}

// newFleet starts a web, a database and a stranger on three nodes, and sluiced
// on each, without a ruleset so far.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	program := sluiced(t)
	f := &fleet{t: t, Cluster: cluster(t, testbed.Config{})}
	f.file = filepath.Join(f.Dir(), "ruleset.sluice")
	for i, name := range []string{"web", "db", "stranger"} {
		pod(t, f.Cluster, f.Nodes[i].Name, testbed.PodSpec{Namespace: "shop", Name: name, Listen: port80})
		pod(t, f.Cluster, f.Nodes[(i+1)%3].Name, testbed.PodSpec{Namespace: "shop", Name: name + "-2", Listen: port80})
	}
	var err error
	if f.daemons, err = daemon.StartAll(f.Cluster, program, f.file); err != nil {
		t.Fatal(err)
	}
	return f
}

// compile compiles policies together with the cluster's pods and nodes.
func (f *fleet) compile(policies string) []byte {
	f.t.Helper()
	dir := f.t.TempDir()
	type object = map[string]any
	var objects []object
	for _, n := range f.Nodes {
		var addrs []object
		for _, a := range n.Addresses {
			addrs = append(addrs, object{"type": "InternalIP", "address": a})
		}
		objects = append(objects, object{
			"apiVersion": "v1", "kind": "Node", "metadata": object{"name": n.Name},
			"spec": object{"podCIDRs": n.PodCIDRs}, "status": object{"addresses": addrs},
		})
	}
	for _, p := range f.Pods() {
		var ips []object
		for _, a := range p.Addresses {
			ips = append(ips, object{"ip": a})
		}
		app, _, _ := strings.Cut(p.PodName, "-")
		objects = append(objects, object{
			"apiVersion": "v1", "kind": "Pod",
			"metadata": object{"name": p.PodName, "namespace": p.Namespace, "labels": object{"app": app}},
			"spec":     object{"nodeName": p.Node.Name, "containers": []object{}},
			"status":   object{"phase": "Running", "podIPs": ips},
		})
	}
	b, err := json.Marshal(object{"apiVersion": "v1", "kind": "List", "items": objects})
	if err != nil {
		f.t.Fatal(err)
	}
	for name, content := range map[string]string{"cluster.json": string(b), "policies.yaml": policies} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
	snap, ds, err := source.Load([]string{dir}, source.Options{})
	if err != nil || ds.Has(diag.Error) {
		f.t.Fatal(err, ds)
	}
	rs, ds := compiler.Compile(snap, compiler.Options{})
	if rs == nil {
		f.t.Fatal(ds)
	}
	out, err := artifact.Encode(rs)
	if err != nil {
		f.t.Fatal(err)
	}
	f.rs = rs
	return out
}

// give replaces the file that the nodes follow, as a careful writer does.
func (f *fleet) give(b []byte) {
	f.t.Helper()
	if err := os.WriteFile(f.file+".new", b, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.file+".new", f.file); err != nil {
		f.t.Fatal(err)
	}
}

// enforces waits until every node says that it enforces what was compiled
// last.
func (f *fleet) enforces() {
	f.t.Helper()
	for _, d := range f.daemons {
		if err := d.Enforces(f.t.Context(), f.rs.Digest); err != nil {
			f.t.Fatal(err)
		}
	}
}

// differences holds every pair, on an open and a closed port of each protocol,
// against what was compiled last.
func (f *fleet) differences() (differences []string, probes int) {
	f.t.Helper()
	ends := artifact.NewResolver(f.rs)
	var all []testbed.Probe
	var through []bool
	for _, e := range full(f.Cluster) {
		e.Src, _ = e.From.Address(e.Dst)
		flow := artifact.Flow{Src: ends.Addr(e.Src), Dst: ends.Addr(e.Dst), Protocol: e.Protocol, Port: e.Port}
		if e.Protocol == probe.ICMP && e.Dst.Is6() {
			flow.Protocol = probe.ICMPv6
		}
		all = append(all, e.Probe)
		through = append(through, f.rs.Decide(flow).Verdict == artifact.Allow)
	}
	for i, r := range f.Check(f.t.Context(), all, through) {
		if r.Outcome == probe.Error || r.Outcome.LetThrough() != through[i] {
			differences = append(differences, all[i].String()+": "+r.Outcome.String())
		}
	}
	return differences, len(all)
}

// agrees fails the test if the wire differs from the artifact.
func (f *fleet) agrees(when string) {
	f.t.Helper()
	start := time.Now()
	differences, n := f.differences()
	f.t.Logf("%s: %d connections, %d of them not as compiled, %v", when, n, len(differences), time.Since(start).Round(time.Millisecond))
	for i, d := range differences {
		if i == 10 {
			f.t.Errorf("%s: and %d more", when, len(differences)-10)
			return
		}
		f.t.Errorf("%s: %s", when, d)
	}
}

const (
	isolatedDB = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: web}}}]
      ports: [{port: 80}, {port: 80, protocol: UDP}]
`
	isolatedWeb = isolatedDB + `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from: [{ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: "2001:db8:113::/48"}}]
      ports: [{port: 80, protocol: SCTP}]
`
)

func TestSluicedEnforcesWhatWasCompiled(t *testing.T) {
	f := newFleet(t)
	f.give(f.compile(isolatedDB))
	f.enforces()
	f.agrees("first")

	second := f.compile(isolatedWeb)
	f.give(second)
	f.enforces()
	f.agrees("after a policy came")

	// What is no ruleset changes nothing.
	for name, b := range map[string][]byte{"cut": second[:len(second)-1], "empty": nil, "text": []byte("allow all\n")} {
		marks := make([]int, len(f.daemons))
		for i, d := range f.daemons {
			marks[i] = d.Mark()
		}
		f.give(b)
		for i, d := range f.daemons {
			if err := d.Await(t.Context(), marks[i], "ruleset refused"); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		f.agrees("after a file that is " + name)
	}

	f.give(f.compile(""))
	f.enforces()
	f.agrees("without policies")
}

func TestSluicedLeavesItsRulesStanding(t *testing.T) {
	f := newFleet(t)
	f.give(f.compile(isolatedDB))
	f.enforces()
	for _, d := range f.daemons {
		d.Crash()
	}
	f.agrees("after a crash")
	for _, n := range f.Nodes {
		loadScript(t, n.Host, "delete table inet sluice")
	}
	if d, _ := f.differences(); len(d) == 0 {
		t.Error("without the table it is all the same: the test shows nothing")
	}
	var err error
	if f.daemons, err = daemon.StartAll(f.Cluster, sluiced(t), f.file); err != nil {
		t.Fatal(err)
	}
	f.enforces()
	f.agrees("after a start")
	for _, d := range f.daemons {
		if err := d.Stop(5 * time.Second); err != nil {
			t.Errorf("stop: %v\n%s", err, d.Log())
		}
	}
	f.agrees("after a stop")
}

func TestSluicedFollowsPods(t *testing.T) {
	f := newFleet(t)
	f.give(f.compile(isolatedWeb))
	f.enforces()
	db := f.Pod("shop/db")
	if err := f.RemovePod(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	// A stranger gets the address of the database.
	pod(t, f.Cluster, db.Node.Name, testbed.PodSpec{Namespace: "shop", Name: "stranger-3", Addresses: db.Addresses, Listen: port80})
	pod(t, f.Cluster, "node-3", testbed.PodSpec{Namespace: "shop", Name: "db-3", Listen: port80})
	f.give(f.compile(isolatedWeb))
	f.enforces()
	f.agrees("after pods came and went")
}
