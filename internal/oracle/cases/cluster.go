package cases

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sluice-net/sluice/internal/model"
)

// cluster is what most cases play in: namespaces x, y and z with pods a, b and
// c in each, as in Kubernetes's own conformance tests, on nodes n1 and n2.
//
//	pod  node  x          y          z
//	a    n1    10.0.1.1   10.0.1.2   10.0.1.3   and fd00:1::1, ...
//	b    n2    10.0.2.11  10.0.2.12  10.0.2.13  and fd00:2::11, ...
//	c    n2    10.0.2.21  10.0.2.22  10.0.2.23  and fd00:2::21, ...
//
// Every pod declares http 80/TCP and dns 53/UDP.
func cluster() *model.Snapshot {
	s := &model.Snapshot{
		Nodes: []model.Node{
			node("n1", "zone=east", "192.0.2.1", "2001:db8::1"),
			node("n2", "zone=west", "192.0.2.2", "2001:db8::2"),
		},
	}
	s.Nodes[0].PodCIDRs = prefixes("10.0.1.0/24", "fd00:1::/64")
	s.Nodes[1].PodCIDRs = prefixes("10.0.2.0/24", "fd00:2::/64")
	for i, ns := range []string{"x", "y", "z"} {
		s.Namespaces = append(s.Namespaces, namespace(ns, "team="+ns))
		for j, name := range []string{"a", "b", "c"} {
			n := min(j+1, 2)
			host := 10*j + i + 1
			p := pod(ns, name, "pod="+name, fmt.Sprintf("10.0.%d.%d", n, host), fmt.Sprintf("fd00:%d::%d", n, host))
			p.Node = fmt.Sprintf("n%d", n)
			s.Pods = append(s.Pods, p)
		}
	}
	return s
}

func namespace(name, labels string) model.Namespace {
	l := labelsOf(labels)
	l[model.NamespaceNameLabel] = name
	return model.Namespace{Name: name, Labels: l}
}

func node(name, labels string, addresses ...string) model.Node {
	return model.Node{Name: name, Labels: labelsOf(labels), Addresses: addrs(addresses...)}
}

// pod is on n1 and declares http and dns.
func pod(namespace, name, labels string, addresses ...string) model.Pod {
	return model.Pod{
		Namespace: namespace,
		Name:      name,
		Workload:  "Pod/" + name,
		Labels:    labelsOf(labels),
		Node:      "n1",
		Addresses: addrs(addresses...),
		Ports: []model.ContainerPort{
			{Name: "http", Number: 80, Protocol: model.TCP},
			{Name: "dns", Number: 53, Protocol: model.UDP},
		},
	}
}

// standIn is a Deployment without pods.
func standIn(namespace, name, labels string) model.Pod {
	p := pod(namespace, name, labels)
	p.StandIn, p.Workload, p.Node = true, "Deployment/"+name, ""
	return p
}

// declaring returns the pod with other container ports, "name:80/TCP" each.
func declaring(p model.Pod, ports ...string) model.Pod {
	p.Ports = nil
	for _, text := range ports {
		name, rest, _ := strings.Cut(text, ":")
		port := portOf(rest)
		p.Ports = append(p.Ports, model.ContainerPort{Name: name, Number: port.Low, Protocol: port.Protocol})
	}
	return p
}

func labelsOf(text string) model.Labels {
	l := model.Labels{}
	for kv := range strings.SplitSeq(text, ",") {
		if k, v, ok := strings.Cut(kv, "="); ok {
			l[k] = v
		}
	}
	return l
}

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, t := range texts {
		out = append(out, netip.MustParseAddr(t))
	}
	return out
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}
