package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/compiler/source"
	"github.com/sluice-net/sluice/examples"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/query"
	"github.com/sluice-net/sluice/internal/testbed"
	"github.com/sluice-net/sluice/internal/testbed/daemon"
	"github.com/sluice-net/sluice/internal/verify"
	"github.com/sluice-net/sluice/rego"
)

// demo is a demo under way.
type demo struct {
	*screen
	opts      Options
	cluster   *testbed.Cluster
	daemons   []*daemon.Daemon
	workloads []workload
	pods      [][]*testbed.Pod // by workload
	manifests string           // directory
	segments  string           // of the segment rules; "" until they are added
	file      string           // the artifact that every node enforces
	rs        *artifact.Ruleset
	ends      *artifact.Resolver
	questions *query.Evaluator
	plan      []check
	before    *grid // as it was before a change
	checked   int   // probes in all tables
	wrong     int   // of them, not as expected
}

// Run runs the demo. It needs root; where it is not root it starts itself again
// as the root of a user namespace. It fails with ErrDiffers if the wire did
// anything else than the artifact says.
func Run(ctx context.Context, o Options) error {
	if again, err := privileges(o); again || err != nil {
		return err
	}
	d := &demo{screen: &screen{w: o.Out, colour: o.Colour, start: time.Now()}, opts: o}
	err := d.run(ctx)
	if d.cluster != nil {
		if err == nil && o.Pause != nil {
			d.pause(ctx)
		}
		start := time.Now()
		err = errors.Join(err, d.cluster.Close())
		d.step("clean up", "namespaces, links, rules and files are gone (%d ms)", time.Since(start).Milliseconds())
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("the demo was interrupted")
	}
	if err == nil && d.wrong > 0 {
		err = ErrDiffers
	}
	if err == nil {
		d.printf("\n%s in %.1f s\n", d.paint(green, fmt.Sprintf("%s of %s connections as compiled", thousands(d.checked), thousands(d.checked))),
			time.Since(d.start).Seconds())
	}
	return err
}

// pause says how to look around, and waits.
func (d *demo) pause(ctx context.Context) {
	enter := "nsenter"
	if os.Getenv(inUserNamespace) != "" {
		enter = fmt.Sprintf("nsenter -t %d -U --preserve-credentials", os.Getpid())
	}
	d.printf("\n")
	d.step("pause", "to look at a node's rules, for example:")
	for _, n := range d.cluster.Nodes {
		d.more("%s --net=%s nft list table inet sluice    # %s", enter, n.Net().Path(), n.Name)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.opts.Pause()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (d *demo) run(ctx context.Context) error {
	d.printf("%s\n\n", d.paint(bold, "A small shop on three nodes: network namespaces on this machine, and real packets."))
	for _, f := range []func(context.Context) error{
		d.build, d.enforce, d.showTable, d.allowReport, d.segment, d.quarantineLegacy,
	} {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return nil
}

// build starts the cluster with a pod for each replica.
func (d *demo) build(ctx context.Context) (err error) {
	if d.workloads, err = readWorkloads(examples.FS, "shop"); err != nil {
		return err
	}
	cfg := testbed.Config{}
	wired := "wired by the CNI plugins ptp and host-local"
	if cfg.Plugins, err = testbed.FindPlugins(d.opts.Plugins...); err != nil {
		cfg.Wiring = testbed.Plain
		wired = "wired without CNI (make cni builds the plugins)"
	}
	if d.cluster, err = testbed.New(ctx, cfg); err != nil {
		return err
	}
	number := 0
	for i := range d.workloads {
		w := &d.workloads[i]
		var pods []*testbed.Pod
		for replica := range w.replicas {
			spec := testbed.PodSpec{Namespace: w.namespace, Name: fmt.Sprintf("%s-%d", w.name, replica)}
			for _, p := range w.ports {
				spec.Listen = append(spec.Listen, testbed.Port{Protocol: p.protocol, Number: p.number})
			}
			node := d.cluster.Nodes[number%len(d.cluster.Nodes)].Name
			number++
			p, err := d.cluster.AddPod(ctx, node, spec)
			if err != nil {
				return err
			}
			pods = append(pods, p)
		}
		d.pods = append(d.pods, pods)
	}
	if err := d.cluster.Outside.Listen(testbed.Port{Protocol: bank.protocol, Number: bank.number}); err != nil {
		return err
	}
	d.step("cluster", "%s, %s of %s, IPv4 and IPv6, %s",
		count(len(d.cluster.Nodes), "node", "nodes"), count(number, "pod", "pods"), count(len(d.workloads), "workload", "workloads"), wired)
	return d.writeManifests()
}

// writeManifests puts the shop's manifests, and the objects that the API
// server would have by now, into a directory.
func (d *demo) writeManifests() error {
	d.manifests = filepath.Join(d.cluster.Dir(), "manifests")
	d.file = filepath.Join(d.cluster.Dir(), "ruleset.sluice")
	if err := copyShop(d.manifests); err != nil {
		return err
	}
	var objects []object
	for _, n := range d.cluster.Nodes {
		objects = append(objects, nodeObject(n.Name, n.Addresses, n.PodCIDRs))
	}
	for i, pods := range d.pods {
		for _, p := range pods {
			objects = append(objects, d.workloads[i].podObject(p.PodName, p.Node.Name, p.Addresses))
		}
	}
	b, err := writeObjects(objects)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.manifests, "cluster.yaml"), b, 0o600)
}

// compile compiles the manifests and replaces the artifact that the nodes
// enforce. It returns when it did the latter.
func (d *demo) compile(ctx context.Context) (replaced time.Time, err error) {
	start := time.Now()
	snap, ds, err := source.Load([]string{d.manifests}, source.Options{})
	if err != nil {
		return replaced, err
	}
	if ds.Has(diag.Error) {
		return replaced, fmt.Errorf("the manifests do not load: %v", ds)
	}
	if d.segments != "" {
		rules, ds, err := rego.Load([]string{d.segments})
		if err != nil {
			return replaced, err
		}
		policies, more := rules.Compile(ctx, rego.NewInventory(snap))
		if ds = append(ds, more...); ds.Has(diag.Error) {
			return replaced, fmt.Errorf("the segment rules do not compile: %v", ds)
		}
		snap.Policies = append(snap.Policies, policies...)
		snap.Inputs = append(snap.Inputs, rules.Inputs...)
	}
	rs, ds := compiler.Compile(snap, compiler.Options{})
	if rs == nil {
		return replaced, fmt.Errorf("the manifests do not compile: %v", ds)
	}
	checked := verify.Run(snap, rs, verify.Options{})
	if len(checked.Failures) > 0 {
		return replaced, fmt.Errorf("the ruleset does not mean what the policies say: %v", checked.Failures[0])
	}
	b, err := artifact.Encode(rs)
	if err != nil {
		return replaced, err
	}
	d.rs, d.ends, d.questions = rs, artifact.NewResolver(rs), query.New(rs)
	took := time.Since(start)
	if err := os.WriteFile(d.file+".new", b, 0o600); err != nil {
		return replaced, err
	}
	replaced = time.Now()
	if err := os.Rename(d.file+".new", d.file); err != nil {
		return replaced, err
	}
	d.step("compile", "%s -> %s: %s, %d bytes, checked by %s questions, in %d ms", count(len(snap.Policies), "policy", "policies"),
		rs.Digest.String()[:19], count(len(rs.Program.Clauses), "clause", "clauses"), len(b), thousands(checked.Asked), took.Milliseconds())
	return replaced, nil
}

func copyShop(dir string) error {
	shop, err := fs.Sub(examples.FS, "shop")
	if err != nil {
		return err
	}
	return os.CopyFS(dir, shop)
}
