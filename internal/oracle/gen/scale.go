package gen

import (
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/internal/model"
)

// ScaleOptions say how big. Zero fields have defaults that follow the others.
type ScaleOptions struct {
	Seed       uint64
	Pods       int  // default 1000
	Policies   int  // default Pods
	Namespaces int  // default Pods/20
	Nodes      int  // default Pods/50
	DualStack  bool // IPv6 addresses too
}

func (o ScaleOptions) withDefaults() ScaleOptions {
	if o.Pods == 0 {
		o.Pods = 1000
	}
	if o.Policies == 0 {
		o.Policies = o.Pods
	}
	if o.Namespaces == 0 {
		o.Namespaces = max(o.Pods/20, 1)
	}
	if o.Nodes == 0 {
		o.Nodes = max(o.Pods/50, 1)
	}
	return o
}

// team is a namespace with the names of its applications.
type team struct {
	name string
	apps []string
	used int // how many of apps have pods
}

// app picks an application of the team, seldom one that it does not run.
func (t *team) app(d dice) string {
	if d.chance(10) {
		return pick(d, t.apps)
	}
	return pick(d, t.apps[:max(t.used, 1)])
}

// large is a big cluster in the making.
type large struct {
	dice
	o     ScaleOptions
	s     *model.Snapshot
	teams []team
}

var (
	appNames = []string{"web", "api", "db", "cache", "worker", "auth", "queue", "search"}
	appPort  = map[string]uint16{
		"web": 8080, "api": 8443, "db": 5432, "cache": 6379, "worker": 9000, "auth": 8081, "queue": 5672, "search": 9200,
	}
	stages = []string{"dev", "test", "prod"}
)

// Scale returns a big cluster as organisations have them: many namespaces of a
// few applications with about ten replicas each, and policies of the usual
// kinds (default deny, DNS, monitoring, application to application, outside
// networks, some named ports).
func Scale(o ScaleOptions) *model.Snapshot {
	g := &large{dice: newDice(o.Seed, 4), o: o.withDefaults(), s: &model.Snapshot{}}
	g.nodes()
	g.namespaces()
	g.pods()
	for i := range g.o.Policies {
		own := &g.teams[i%len(g.teams)]
		g.s.Policies = append(g.s.Policies, g.policy(own, i/len(g.teams)))
	}
	return g.s
}

// nodes have a /24 each, out of 10.0.0.0/8 from 10.1.0.0 on.
func (g *large) nodes() {
	for i := range g.o.Nodes {
		n := i + 256
		node := model.Node{
			Name: fmt.Sprintf("node-%04d", i),
			Labels: model.Labels{
				"kubernetes.io/hostname":        fmt.Sprintf("node-%04d", i),
				"topology.kubernetes.io/zone":   fmt.Sprintf("zone-%d", i%3),
				"node.kubernetes.io/instance":   pick(g.dice, []string{"small", "large"}),
				"kubernetes.io/os":              "linux",
				"node-role.kubernetes.io/class": "worker",
			},
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)})},
			PodCIDRs:  []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 24)},
		}
		if g.o.DualStack {
			node.Addresses = append(node.Addresses, netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)))
			node.PodCIDRs = append(node.PodCIDRs, netip.MustParsePrefix(fmt.Sprintf("fd00:10:%x::/64", n)))
		}
		g.s.Nodes = append(g.s.Nodes, node)
	}
}

func (g *large) namespaces() {
	for i := range g.o.Namespaces {
		name := fmt.Sprintf("team-%04d", i)
		switch i {
		case 0:
			name = "kube-system"
		case 1:
			name = "monitoring"
		}
		g.s.Namespaces = append(g.s.Namespaces, model.Namespace{Name: name, Labels: model.Labels{
			model.NamespaceNameLabel: name,
			"stage":                  stages[i%len(stages)],
			"team":                   fmt.Sprintf("t%02d", i%50),
		}})
		apps := shuffle(g.dice, append([]string(nil), appNames...))
		g.teams = append(g.teams, team{name: name, apps: apps})
	}
	g.teams[0].apps[0] = "dns"
	if len(g.teams) > 1 {
		g.teams[1].apps[0] = "prometheus"
	}
}

// pods fills the namespaces in turn with workloads of 5 to 15 replicas; each
// replica goes to another node.
func (g *large) pods() {
	used := make([]uint16, len(g.s.Nodes))
	node := 0
	for workload := 0; len(g.s.Pods) < g.o.Pods; workload++ {
		own := &g.teams[workload%len(g.teams)]
		round := workload / len(g.teams)
		app := own.apps[round%len(own.apps)]
		own.used = min(round+1, len(own.apps))
		name := app
		if round >= len(own.apps) {
			name = fmt.Sprintf("%s-%d", app, round/len(own.apps))
		}
		hash := fmt.Sprintf("%08x", g.Uint32())
		stateful := app == "db" || app == "queue" || app == "search"
		version := fmt.Sprintf("v%d", g.between(1, 3))
		for replica := range g.between(5, 15) {
			if len(g.s.Pods) == g.o.Pods {
				return
			}
			p := model.Pod{
				Namespace: own.name,
				Labels: model.Labels{
					"app": name, "app.kubernetes.io/name": app, "version": version,
				},
				Ports: containerPorts(app),
			}
			if stateful {
				p.Name = fmt.Sprintf("%s-%d", name, replica)
				p.Workload = "StatefulSet/" + name
				// Every pod of a StatefulSet has a label of its own.
				p.Labels["statefulset.kubernetes.io/pod-name"] = p.Name
			} else {
				p.Name = fmt.Sprintf("%s-%s-%05x", name, hash, g.IntN(1<<16)*16+replica)
				p.Workload = "Deployment/" + name
				p.Labels["pod-template-hash"] = hash
			}
			for used[node] >= 250 {
				node = (node + 1) % len(g.s.Nodes)
			}
			used[node]++
			g.place(&p, &g.s.Nodes[node], used[node])
			node = (node + 1) % len(g.s.Nodes)
			g.s.Pods = append(g.s.Pods, p)
		}
	}
}

// place gives the pod the node's host'th addresses.
func (g *large) place(p *model.Pod, n *model.Node, host uint16) {
	p.Node = n.Name
	for _, cidr := range n.PodCIDRs {
		b := cidr.Addr().AsSlice()
		b[len(b)-1] = byte(host)
		a, _ := netip.AddrFromSlice(b)
		p.Addresses = append(p.Addresses, a)
	}
}

func containerPorts(app string) []model.ContainerPort {
	if app == "dns" {
		return []model.ContainerPort{
			{Name: "dns", Number: 53, Protocol: model.UDP}, {Name: "dns-tcp", Number: 53, Protocol: model.TCP},
		}
	}
	ports := []model.ContainerPort{{Name: "metrics", Number: 9090, Protocol: model.TCP}}
	if n, ok := appPort[app]; ok {
		name := app
		if app == "web" || app == "api" {
			name = "http" // one name, two numbers
		}
		ports = append(ports, model.ContainerPort{Name: name, Number: n, Protocol: model.TCP})
	}
	return ports
}
