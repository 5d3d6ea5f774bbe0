package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/sluice-net/sluice/examples"
	"github.com/sluice-net/sluice/internal/testbed"
	"github.com/sluice-net/sluice/internal/testbed/daemon"
)

// enforce compiles the shop and starts sluiced on every node.
func (d *demo) enforce(ctx context.Context) error {
	if _, err := d.compile(ctx); err != nil {
		return err
	}
	start := time.Now()
	var err error
	if d.daemons, err = daemon.StartAll(d.cluster, d.opts.Sluiced, d.file); err != nil {
		return err
	}
	if err := d.everywhere(ctx); err != nil {
		return err
	}
	d.step("enforce", "sluiced enforces it on %s, %d ms after its start", count(len(d.daemons), "node", "nodes"), time.Since(start).Milliseconds())
	return nil
}

// everywhere waits until every node enforces what was compiled last.
func (d *demo) everywhere(ctx context.Context) error {
	for _, p := range d.daemons {
		if err := p.Enforces(ctx, d.rs.Digest); err != nil {
			return err
		}
	}
	return nil
}

// showTable probes everything and prints the truth table.
func (d *demo) showTable(ctx context.Context) error {
	g, err := d.look(ctx)
	if err != nil {
		return err
	}
	g.print(d.screen)
	if d.wrong > 0 {
		return ErrDiffers // changes would show nothing more
	}
	denied, err := d.find(g, "frontend", "payments", "https")
	if err != nil {
		return err
	}
	d.step("explain", "%s: %s", g.name(denied.place), d.why(denied.Probe))
	d.before = g
	return nil
}

// change adds a manifest of examples/shop-changes and compiles. It returns when
// the nodes were given the result.
func (d *demo) change(ctx context.Context, file string) (time.Time, error) {
	b, err := fs.ReadFile(examples.FS, path.Join("shop-changes", file))
	if err != nil {
		return time.Time{}, err
	}
	if err := os.WriteFile(filepath.Join(d.manifests, file), b, 0o600); err != nil {
		return time.Time{}, err
	}
	d.printf("\n")
	d.step("change", "add %s while all of that runs", path.Join("shop-changes", file))
	return d.compile(ctx)
}

// allowReport lets the nightly report read the orders.
func (d *demo) allowReport(ctx context.Context) error {
	c, err := d.find(d.before, "report", "orders", "http")
	if err != nil {
		return err
	}
	replaced, err := d.change(ctx, "allow-report.yaml")
	if err != nil {
		return err
	}
	through, err := d.untilLetThrough(ctx, c.Probe)
	if err != nil {
		return err
	}
	d.step("enforced", "%s is let through after %s", d.before.name(c.place), d.paint(green, milliseconds(through.Sub(replaced))))
	return d.showChanges(ctx)
}

// segment adds the segment rules, which part the tenants.
func (d *demo) segment(ctx context.Context) error {
	return d.cutOff(ctx, "catalog", "http", func() (time.Time, error) {
		rules, err := fs.Sub(examples.FS, "shop-segments")
		if err != nil {
			return time.Time{}, err
		}
		d.segments = filepath.Join(d.cluster.Dir(), "shop-segments")
		if err := os.CopyFS(d.segments, rules); err != nil {
			return time.Time{}, err
		}
		d.printf("\n")
		d.step("change", "add shop-segments, rules in Rego for the whole cluster, while all of that runs")
		return d.compile(ctx)
	})
}

// quarantineLegacy cuts the legacy tenant off from everything else.
func (d *demo) quarantineLegacy(ctx context.Context) error {
	return d.cutOff(ctx, "outside", "https", func() (time.Time, error) {
		return d.change(ctx, "quarantine-legacy.yaml")
	})
}

// cutOff makes a change that takes a peer from the legacy tenant, which has a
// connection to it open.
func (d *demo) cutOff(ctx context.Context, peer, port string, change func() (time.Time, error)) error {
	c, err := d.find(d.before, "tenant", peer, port)
	if err != nil {
		return err
	}
	conn, err := dial(c.Probe)
	if err != nil {
		return fmt.Errorf("open a connection for %s: %w", d.before.name(c.place), err)
	}
	defer conn.Close() //nolint:errcheck // it is to be cut anyway
	cut := make(chan time.Time, 1)
	go func() { cut <- lastAnswer(conn) }()
	replaced, err := change()
	if err != nil {
		return err
	}
	dropped, err := d.untilDropped(ctx, c.Probe)
	if err != nil {
		return err
	}
	d.step("enforced", "%s is dropped after %s", d.before.name(c.place), d.paint(green, milliseconds(dropped.Sub(replaced))))
	select {
	case at := <-cut:
		d.more("the connection that it had open is cut after %s", d.paint(green, milliseconds(at.Sub(replaced))))
	case <-time.After(2 * time.Second):
		// To be counted as wrong once the daemon revokes flows.
		d.more("the connection that it had open stays: sluiced does not cut established flows yet")
	case <-ctx.Done():
		return ctx.Err()
	}
	return d.showChanges(ctx)
}

// showChanges probes everything again and prints the cells that changed.
func (d *demo) showChanges(ctx context.Context) error {
	if err := d.everywhere(ctx); err != nil {
		return err
	}
	g, err := d.look(ctx)
	if err != nil {
		return err
	}
	const most = 16
	changed := g.changed(d.before)
	for i, p := range changed {
		if i == most {
			d.more("and %d more", len(changed)-most)
			break
		}
		was, wasStyle := d.before.cells[p].mark()
		is, isStyle := g.cells[p].mark()
		d.more("%s %s %s  %s%s", d.paint(wasStyle, was), d.paint(faint, "->"), d.paint(isStyle, is),
			pad(g.name(p), 36), d.paint(faint, d.where(d.at(p))))
	}
	d.before = g
	return nil
}

// at returns one of the connections of a place.
func (d *demo) at(p place) testbed.Probe {
	for _, c := range d.plan {
		if c.place == p {
			return c.Probe
		}
	}
	return testbed.Probe{}
}

func milliseconds(t time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(t.Microseconds())/1000)
}

// dial opens a TCP connection from the probe's host.
func dial(p testbed.Probe) (conn net.Conn, err error) {
	err = p.From.Do(func() error {
		conn, err = net.DialTimeout("tcp", netip.AddrPortFrom(p.Dst, p.Port).String(), 5*time.Second)
		return err
	})
	return conn, err
}

// lastAnswer keeps a connection to an echo server busy until it has no answer,
// and returns when the first byte was sent that had none.
func lastAnswer(conn net.Conn) time.Time {
	b := []byte{0}
	for {
		sent := time.Now()
		// The kernel sends a lost packet again after 200 ms.
		err := conn.SetDeadline(sent.Add(700 * time.Millisecond))
		if err == nil {
			_, err = conn.Write(b)
		}
		if err == nil {
			_, err = conn.Read(b)
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return time.Time{}
			}
			return sent
		}
		time.Sleep(500 * time.Microsecond)
	}
}
