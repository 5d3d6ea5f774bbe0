package gen

import (
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/internal/model"
)

// policy returns a namespace's n'th policy. The first few are the ones that
// every well-kept namespace has, the others are about its applications.
func (g *large) policy(own *team, n int) model.Policy {
	p := model.Policy{
		Kind: "NetworkPolicy", Namespace: own.name, Tier: model.TierNamespace,
		Subject: model.Subject{Namespaces: model.NamespaceMatch{Name: own.name}},
	}
	app := own.app(g.dice)
	switch {
	case n == 0:
		p.Name = "default-deny"
		p.Sections[model.Ingress].Applies = true
		p.Sections[model.Egress].Applies = true
	case n == 1:
		p.Name = "allow-dns"
		g.allow(&p, model.Egress, []model.Peer{inNamespace("kube-system", "dns")},
			port(model.UDP, 53), port(model.TCP, 53))
	case n == 2:
		p.Name = "allow-monitoring"
		g.allow(&p, model.Ingress, []model.Peer{inNamespace("monitoring", "prometheus")},
			model.Port{Protocol: model.TCP, Name: "metrics"})
	default:
		p.Subject.Pods = labelled("app", app)
		g.applicationPolicy(&p, own, app, n)
	}
	return p
}

// applicationPolicy fills in a policy about one application.
func (g *large) applicationPolicy(p *model.Policy, own *team, app string, n int) {
	other := own.app(g.dice)
	switch g.IntN(10) {
	case 0, 1, 2, 3:
		p.Name = fmt.Sprintf("%s-from-%s-%d", app, other, n)
		g.allow(p, model.Ingress, []model.Peer{sibling(own.name, other)}, g.ports(app)...)
	case 4, 5:
		p.Name = fmt.Sprintf("%s-to-%s-%d", app, other, n)
		g.allow(p, model.Egress, []model.Peer{sibling(own.name, other)}, g.ports(other)...)
	case 6:
		p.Name = fmt.Sprintf("%s-http-from-anywhere-%d", app, n)
		g.allow(p, model.Ingress, nil, model.Port{Protocol: model.TCP, Name: "http"})
	case 7:
		stage := pick(g.dice, stages)
		p.Name = fmt.Sprintf("%s-from-%s-%d", app, stage, n)
		g.allow(p, model.Ingress, []model.Peer{{
			Kind:       model.PeerPods,
			Namespaces: model.NamespaceMatch{Selector: labelled("stage", stage)},
			Pods:       labelled("app.kubernetes.io/name", other),
		}}, g.ports(app)...)
	case 8:
		p.Name = fmt.Sprintf("%s-to-outside-%d", app, n)
		g.allow(p, model.Egress, []model.Peer{g.outsideBlock()}, port(model.TCP, 443))
	default:
		p.Name = fmt.Sprintf("%s-from-office-%d", app, n)
		g.allow(p, model.Ingress, []model.Peer{g.outsideBlock(), {
			Kind: model.PeerBlock, Block: netip.MustParsePrefix("203.0.113.0/24"),
		}})
	}
}

// allow gives the policy a rule for a direction; nil peers are all of them,
// and no ports are every port.
func (g *large) allow(p *model.Policy, d model.Direction, peers []model.Peer, ports ...model.Port) {
	p.Sections[d] = model.Section{Applies: true, Rules: []model.Rule{{
		ID: d.String() + "[0]", Verdict: model.Allow,
		AnyPeer: peers == nil, Peers: peers,
		AnyPort: ports == nil, Ports: ports,
	}}}
}

// outsideBlock is the internet without private ranges, or some partner's net.
func (g *large) outsideBlock() model.Peer {
	if g.chance(30) {
		return model.Peer{
			Kind: model.PeerBlock, Block: netip.MustParsePrefix("0.0.0.0/0"),
			Except: []netip.Prefix{
				netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
				netip.MustParsePrefix("192.168.0.0/16"),
			},
		}
	}
	net := netip.AddrFrom4([4]byte{198, 18, byte(g.IntN(64)), 0})
	return model.Peer{Kind: model.PeerBlock, Block: netip.PrefixFrom(net, 24)}
}

// ports are what an application serves: mostly one port, sometimes a port for
// administration or a range too.
func (g *large) ports(app string) []model.Port {
	number, ok := appPort[app]
	if !ok {
		number = 9090
	}
	ports := []model.Port{port(model.TCP, number)}
	switch g.IntN(6) {
	case 0:
		ports = append(ports, port(model.TCP, uint16(g.between(8000, 8100))))
	case 1:
		low := uint16(g.between(300, 310) * 100)
		ports = append(ports, model.Port{Protocol: model.TCP, Low: low, High: low + 99})
	}
	return ports
}

func port(protocol model.Protocol, number uint16) model.Port {
	return model.Port{Protocol: protocol, Low: number, High: number}
}

func labelled(key, value string) model.Selector {
	return model.NewSelector([]model.Requirement{{Key: key, Op: model.In, Values: []string{value}}})
}

// sibling is a peer in the policy's own namespace.
func sibling(namespace, app string) model.Peer {
	return model.Peer{
		Kind:       model.PeerPods,
		Namespaces: model.NamespaceMatch{Name: namespace},
		Pods:       labelled("app", app),
	}
}

// inNamespace is a peer in the namespace called name, as manifests write it.
func inNamespace(name, app string) model.Peer {
	return model.Peer{
		Kind:       model.PeerPods,
		Namespaces: model.NamespaceMatch{Selector: labelled(model.NamespaceNameLabel, name)},
		Pods:       labelled("app", app),
	}
}
