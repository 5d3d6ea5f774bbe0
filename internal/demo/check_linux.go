package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/query"
	"github.com/sluice-net/sluice/internal/testbed"
	"github.com/sluice-net/sluice/internal/testbed/probe"
)

// bank is what the outside host listens on.
var bank = port{"https", probe.TCP, 443}

// icmp is a port of every destination.
var icmp = port{"icmp", probe.ICMP, 0}

// check is one connection and its place in the table.
type check struct {
	place
	testbed.Probe
}

// members returns the hosts of each row and column: the workloads' pods, and
// the outside host.
func (d *demo) members() (groups [][]*testbed.Host, names []string, ports [][]port) {
	for i, pods := range d.pods {
		var hosts []*testbed.Host
		for _, p := range pods {
			hosts = append(hosts, p.Host)
		}
		groups = append(groups, hosts)
		names = append(names, d.workloads[i].name)
		ports = append(ports, append(d.workloads[i].ports[:len(d.workloads[i].ports):len(d.workloads[i].ports)], icmp))
	}
	return append(groups, []*testbed.Host{d.cluster.Outside}), append(names, "outside"), append(ports, []port{bank, icmp})
}

// planChecks lists the connections between all pods, on all ports that the
// destination declares, over all families.
func (d *demo) planChecks() *grid {
	groups, names, ports := d.members()
	var columns []column
	for i, name := range names {
		columns = append(columns, column{name, ports[i]})
	}
	g := newGrid(names, columns)
	d.plan = d.plan[:0]
	for row, sources := range groups {
		for col, destinations := range groups {
			for k, port := range ports[col] {
				for _, from := range sources {
					for _, to := range destinations {
						if from == to {
							continue // what stays in a pod is not filtered
						}
						for _, dst := range to.Addresses {
							src, _ := from.Address(dst)
							d.plan = append(d.plan, check{
								place{row, col, k},
								testbed.Probe{From: from, Src: src, Dst: dst, Protocol: port.protocol, Port: port.number},
							})
						}
					}
				}
			}
		}
	}
	return g
}

// allowed returns what the artifact says of a connection.
func (d *demo) allowed(p testbed.Probe) bool {
	f := artifact.Flow{Src: d.ends.Addr(p.Src), Dst: d.ends.Addr(p.Dst), Protocol: p.Protocol, Port: p.Port}
	if f.Protocol == probe.ICMP && p.Dst.Is6() {
		f.Protocol = probe.ICMPv6
	}
	return d.rs.Decide(f).Verdict == artifact.Allow
}

// look probes everything and holds it against the artifact.
func (d *demo) look(ctx context.Context) (*grid, error) {
	start := time.Now()
	g := d.planChecks()
	probes, through := make([]testbed.Probe, len(d.plan)), make([]bool, len(d.plan))
	for i := range d.plan {
		probes[i], through[i] = d.plan[i].Probe, d.allowed(d.plan[i].Probe)
	}
	results := d.cluster.Check(ctx, probes, through)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, r := range results {
		if r.Outcome == probe.Error {
			return nil, fmt.Errorf("probe %v: %w", probes[i], r.Err)
		}
		g.add(d.plan[i].place, through[i], r.Outcome.LetThrough())
	}
	n, let, wrong := g.totals()
	d.checked, d.wrong = d.checked+n, d.wrong+wrong
	verdict := d.paint(green, thousands(n)+" of "+thousands(n)+" as compiled")
	if wrong > 0 {
		verdict = d.paint(alarm, fmt.Sprintf("%d of %d NOT as compiled", wrong, n))
	}
	d.step("probe", "%s in %.1f s: %s let through, %s dropped: %s", count(n, "connection", "connections"),
		time.Since(start).Seconds(), thousands(let), thousands(n-let), verdict)
	d.shout(g, results)
	return g, nil
}

// shout names what is not as expected, one connection for each cell.
func (d *demo) shout(g *grid, results []probe.Result) {
	const most = 8
	named := 0
	seen := make(map[place]bool)
	for i, r := range results {
		p := d.plan[i].Probe
		expected := d.allowed(p)
		if r.Outcome.LetThrough() == expected || seen[d.plan[i].place] {
			continue
		}
		seen[d.plan[i].place] = true
		if named++; named > most {
			continue
		}
		want := "dropped"
		if expected {
			want = "let through"
		}
		d.more("%s %s (%v -> %v): want it %s, was %v; %s", d.paint(alarm, "X"), g.name(d.plan[i].place),
			p.Src, p.Dst, want, r.Outcome, d.why(p))
	}
	if named > most {
		d.more("and in %d more cells", named-most)
	}
}

// decisive returns what decides a connection: both directions where it is
// allowed, one that denies it otherwise.
func (d *demo) decisive(p testbed.Probe) []*query.Decision {
	number := int(p.Port)
	a, err := d.questions.Eval(query.Query{
		Src: query.End{IP: p.Src.String()}, Dst: query.End{IP: p.Dst.String()},
		Protocol: protocolName(p.Protocol), Port: &number,
	})
	if err != nil {
		return nil // the table has connections only that have an answer
	}
	var out []*query.Decision
	for _, x := range []*query.Decision{a.Egress, a.Ingress} {
		if x != nil && x.Verdict == a.Verdict && x.Policy != "" {
			out = append(out, x)
		}
	}
	if a.Verdict == "deny" && len(out) > 1 {
		out = out[:1]
	}
	return out
}

// why says what decides a connection, with file and line.
func (d *demo) why(p testbed.Probe) string {
	var reasons []string
	for _, x := range d.decisive(p) {
		switch {
		case x.Rule == "isolation":
			reasons = append(reasons, fmt.Sprintf("isolated by %s (%s), and no rule allows it", x.Policy, x.Source))
		default:
			reasons = append(reasons, fmt.Sprintf("%s by %s %s (%s)", x.Verdict, x.Policy, x.Rule, x.Source))
		}
	}
	if len(reasons) == 0 {
		return "no policy selects either end"
	}
	return strings.Join(reasons, ", ")
}

// where is why without names.
func (d *demo) where(p testbed.Probe) string {
	var places []string
	for _, x := range d.decisive(p) {
		places = append(places, x.Source)
	}
	return strings.Join(places, ", ")
}

func protocolName(p uint8) string {
	switch p {
	case probe.TCP:
		return "TCP"
	case probe.UDP:
		return "UDP"
	case probe.SCTP:
		return "SCTP"
	default:
		return "ICMP"
	}
}

// find returns a connection of the plan, from one workload to another's port.
func (d *demo) find(g *grid, from, to, portName string) (check, error) {
	for _, c := range d.plan {
		col := g.columns[c.column]
		if g.rows[c.row] == from && col.name == to && col.ports[c.port].name == portName {
			return c, nil
		}
	}
	return check{}, fmt.Errorf("the shop has no connection from %s to %s on %s", from, to, portName)
}

// untilLetThrough probes a connection until it is let through, and returns
// when the packet was sent that was.
func (d *demo) untilLetThrough(ctx context.Context, p testbed.Probe) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		sent := time.Now()
		r := d.cluster.Probe(ctx, []testbed.Probe{p}, probe.Options{Timeout: 5 * time.Millisecond, Attempts: 1})[0]
		if r.Outcome.LetThrough() {
			return sent, nil
		}
	}
	return time.Time{}, fmt.Errorf("%v is not let through: %w", p, ctx.Err())
}

// untilDropped probes a connection until it is dropped, and returns when the
// first packet was sent that was.
func (d *demo) untilDropped(ctx context.Context, p testbed.Probe) (time.Time, error) {
	const sure = 3 // in a row: one may be lost
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var first time.Time
	for silent := 0; ctx.Err() == nil; {
		sent := time.Now()
		r := d.cluster.Probe(ctx, []testbed.Probe{p}, probe.Options{Timeout: 30 * time.Millisecond, Attempts: 1})[0]
		if r.Outcome != probe.Dropped {
			silent = 0
			continue
		}
		if silent++; silent == 1 {
			first = sent
		}
		if silent == sure {
			return first, nil
		}
	}
	return time.Time{}, fmt.Errorf("%v is not dropped: %w", p, ctx.Err())
}
