// Package gen makes clusters, policies and connections from a seed: small
// dense ones in which everything overlaps (Cluster, Prober), for holding
// evaluators against each other, and big realistic ones (Scale), for
// benchmarks. The same seed gives the same values on every machine.
package gen

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/internal/model"
)

// Options shape a small cluster.
type Options struct {
	Seed  uint64
	Tiers bool // admin, segment and baseline policies too
	Dense bool // several times as many pods, policies, rules and peers
	// Spoken makes it what manifests can say, and what follows from them.
	Spoken bool
}

// upTo returns n, or more for a dense cluster.
func (o Options) upTo(n int) int {
	if o.Dense {
		return 3 * n
	}
	return n
}

// Cluster returns a small cluster with policies that collide: few label keys
// and values, few addresses, few ports. Everything in it is what a front end
// could hand over.
func Cluster(o Options) *model.Snapshot {
	g := &small{Options: o, dice: newDice(o.Seed, 1), s: &model.Snapshot{}}
	g.namespaces()
	g.nodes()
	g.pods()
	g.networkPolicies()
	if o.Tiers {
		g.orderedPolicies()
	}
	if o.Spoken {
		g.spoken()
	}
	// A namespace that is not in the input has its name and nothing else.
	if g.chance(5) {
		g.s.Namespaces = g.s.Namespaces[1:]
	}
	// No consumer may depend on the order of what it is given.
	shuffle(g.dice, g.s.Namespaces)
	shuffle(g.dice, g.s.Nodes)
	shuffle(g.dice, g.s.Pods)
	shuffle(g.dice, g.s.Policies)
	return g.s
}

// Shuffle returns the snapshot with its slices in another order. It shares
// everything below them.
func Shuffle(s *model.Snapshot, seed uint64) *model.Snapshot {
	d := newDice(seed, 2)
	return &model.Snapshot{
		Inputs:     shuffle(d, slices.Clone(s.Inputs)),
		Namespaces: shuffle(d, slices.Clone(s.Namespaces)),
		Nodes:      shuffle(d, slices.Clone(s.Nodes)),
		Pods:       shuffle(d, slices.Clone(s.Pods)),
		Services:   shuffle(d, slices.Clone(s.Services)),
		Policies:   shuffle(d, slices.Clone(s.Policies)),
	}
}

// dice is the source of every choice.
type dice struct{ *rand.Rand }

// newDice returns dice for one use of a seed.
func newDice(seed, use uint64) dice { return dice{rand.New(rand.NewPCG(seed, use))} }

// chance is true in percent of all throws.
func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

// between returns low to high inclusive.
func (d dice) between(low, high int) int { return low + d.IntN(high-low+1) }

func pick[T any](d dice, from []T) T { return from[d.IntN(len(from))] }

func shuffle[T any](d dice, list []T) []T {
	d.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// small is a small cluster in the making.
type small struct {
	Options
	dice
	s    *model.Snapshot
	next []netip.Addr // the next free IPv4 and IPv6 address of each node, in turn
}

var (
	labelKeys   = []string{"app", "tier"}
	labelValues = []string{"a", "a", "b", "b", "c", ""} // a value may be empty
	portNames   = []string{"http", "web", "dns"}
	portNumbers = []uint16{53, 79, 80, 81, 443, 8080, 65535}
	portedTypes = []model.Protocol{model.TCP, model.TCP, model.TCP, model.UDP, model.UDP, model.SCTP}
)

func (g *small) labels() model.Labels {
	l := model.Labels{}
	for _, k := range labelKeys {
		if g.chance(65) {
			l[k] = pick(g.dice, labelValues)
		}
	}
	return l
}

func (g *small) namespaces() {
	for _, name := range []string{"w", "x", "y", "z"}[:g.between(1, 4)] {
		l := g.labels()
		l[model.NamespaceNameLabel] = name
		g.s.Namespaces = append(g.s.Namespaces, model.Namespace{Name: name, Labels: l})
	}
}

func (g *small) nodes() {
	for i := range g.between(1, 3) {
		n := model.Node{
			Name:   fmt.Sprintf("n%d", i+1),
			Labels: g.labels(),
			PodCIDRs: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", i+1)),
				netip.MustParsePrefix(fmt.Sprintf("fd00:%d::/64", i+1)),
			},
		}
		v4 := netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", i+1))
		v6 := netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1))
		n.Addresses = g.families(v4, v6)
		g.s.Nodes = append(g.s.Nodes, n)
		g.next = append(g.next, n.PodCIDRs[0].Addr(), n.PodCIDRs[1].Addr())
	}
}

// families returns one address or both, in either order.
func (g *small) families(v4, v6 netip.Addr) []netip.Addr {
	switch n := g.IntN(10); {
	case n < 2:
		return []netip.Addr{v4}
	case n < 4:
		return []netip.Addr{v6}
	case n < 8:
		return []netip.Addr{v4, v6}
	default:
		return []netip.Addr{v6, v4}
	}
}

// podAddresses returns the node's next free addresses. They are close to each
// other, so that small blocks cut between pods.
func (g *small) podAddresses(node int) []netip.Addr {
	g.next[2*node], g.next[2*node+1] = g.next[2*node].Next(), g.next[2*node+1].Next()
	return g.families(g.next[2*node], g.next[2*node+1])
}

func (g *small) pods() {
	for i := range g.between(2, g.upTo(9)) {
		node := g.IntN(len(g.s.Nodes))
		p := model.Pod{
			Namespace: pick(g.dice, g.s.Namespaces).Name,
			Name:      fmt.Sprintf("p%d", i),
			Workload:  fmt.Sprintf("Pod/p%d", i),
			Labels:    g.labels(),
			Node:      g.s.Nodes[node].Name,
			Ports:     g.containerPorts(),
		}
		if g.chance(30) {
			p.Workload = pick(g.dice, []string{"StatefulSet/s", "DaemonSet/s"})
		}
		switch n := g.IntN(100); {
		case n < 10: // its address may be another pod's by now, or free
			p.Finished = true
			p.Addresses = g.podAddresses(node)
			if len(g.s.Pods) > 0 && g.chance(70) {
				p.Addresses = pick(g.dice, g.s.Pods).Addresses
			}
		case n < 20:
			p.HostNetwork = true
			p.Addresses = g.s.Nodes[node].Addresses
		case n < 23: // not scheduled yet
			p.Node = ""
		case n < 26: // on a node that is not in the input
			p.Node = "n9"
			p.Addresses = []netip.Addr{netip.MustParseAddr(fmt.Sprintf("10.0.9.%d", i))}
		case n < 29:
			p.Node, p.HostNetwork = "n9", true
			p.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.9")}
		default:
			p.Addresses = g.podAddresses(node)
		}
		g.s.Pods = append(g.s.Pods, p)
	}
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		if g.chance(25) {
			g.s.Pods = append(g.s.Pods, model.Pod{
				Namespace:   pick(g.dice, g.s.Namespaces).Name,
				Name:        "web",
				Workload:    kind + "/web",
				StandIn:     true,
				Labels:      g.labels(),
				HostNetwork: g.chance(10),
				Ports:       g.containerPorts(),
			})
		}
	}
}

// containerPorts may give one name several numbers and protocols.
func (g *small) containerPorts() []model.ContainerPort {
	var ports []model.ContainerPort
	for range g.IntN(4) {
		p := model.ContainerPort{Number: pick(g.dice, portNumbers), Protocol: pick(g.dice, portedTypes)}
		if g.chance(80) {
			p.Name = pick(g.dice, portNames)
		}
		if !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	return ports
}
