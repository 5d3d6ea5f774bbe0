package cases

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/internal/model"
)

// np is a NetworkPolicy without directions yet.
func np(namespace, name string, pods ...model.Requirement) model.Policy {
	return model.Policy{
		Kind: "NetworkPolicy", Namespace: namespace, Name: name, Tier: model.TierNamespace,
		Subject: model.Subject{
			Namespaces: model.NamespaceMatch{Name: namespace},
			Pods:       model.NewSelector(pods),
		},
	}
}

// cnp is a cluster-wide policy whose subject is all pods of one namespace.
func cnp(tier model.Tier, name string, priority int32, namespace string) model.Policy {
	return model.Policy{
		Kind: "ClusterNetworkPolicy", Name: name, Tier: tier, Priority: priority,
		Subject: model.Subject{Namespaces: byLabels(is(model.NamespaceNameLabel, namespace))},
	}
}

// with returns the policy governing a direction by the given rules.
func with(p model.Policy, d model.Direction, rules ...model.Rule) model.Policy {
	for i := range rules {
		if rules[i].ID == "" {
			rules[i].ID = fmt.Sprintf("%s[%d]", d, i)
		}
	}
	p.Sections[d] = model.Section{Applies: true, Rules: rules}
	return p
}

func ingress(p model.Policy, rules ...model.Rule) model.Policy {
	return with(p, model.Ingress, rules...)
}

func egress(p model.Policy, rules ...model.Rule) model.Policy { return with(p, model.Egress, rules...) }

// without returns the policy with the direction's rules kept and not applied.
func without(p model.Policy, d model.Direction) model.Policy {
	p.Sections[d].Applies = false
	return p
}

// rule allows every port from every peer, until from or on narrows it.
func rule() model.Rule { return model.Rule{Verdict: allow, AnyPeer: true, AnyPort: true} }

// says is a rule of an ordered tier for every port and peer.
func says(v model.Verdict) model.Rule {
	r := rule()
	r.Verdict = v
	return r
}

// between returns the rule for the given peers only; none at all if there are
// none.
func between(r model.Rule, peers ...model.Peer) model.Rule {
	r.AnyPeer, r.Peers = false, peers
	return r
}

// on returns the rule for the given ports only: "80/TCP", "80-90/UDP",
// "*/SCTP", "http/TCP", "http/any".
func on(r model.Rule, ports ...string) model.Rule {
	r.AnyPort = false
	for _, p := range ports {
		r.Ports = append(r.Ports, portOf(p))
	}
	return r
}

func portOf(text string) model.Port {
	number, name, _ := strings.Cut(text, "/")
	var p model.Port
	for _, protocol := range []model.Protocol{model.TCP, model.UDP, model.SCTP, model.AnyProtocol} {
		if protocol.String() == name {
			p.Protocol = protocol
		}
	}
	low, high, isRange := strings.Cut(number, "-")
	n, err := strconv.ParseUint(low, 10, 16)
	switch {
	case number == "*":
		p.High = math.MaxUint16
	case err != nil:
		p.Name = number
	case isRange:
		m, _ := strconv.ParseUint(high, 10, 16)
		p.Low, p.High = uint16(n), uint16(m)
	default:
		p.Low, p.High = uint16(n), uint16(n)
	}
	return p
}

// podsIn is a peer: pods of the namespace called name.
func podsIn(name string, pods ...model.Requirement) model.Peer {
	return model.Peer{
		Kind:       model.PeerPods,
		Namespaces: model.NamespaceMatch{Name: name},
		Pods:       model.NewSelector(pods),
	}
}

// podsWhere is a peer: pods of the namespaces that m matches.
func podsWhere(m model.NamespaceMatch, pods ...model.Requirement) model.Peer {
	return model.Peer{Kind: model.PeerPods, Namespaces: m, Pods: model.NewSelector(pods)}
}

// byLabels matches namespaces; all of them when there is no requirement.
func byLabels(rs ...model.Requirement) model.NamespaceMatch {
	return model.NamespaceMatch{Selector: model.NewSelector(rs)}
}

func block(cidr string, except ...string) model.Peer {
	return model.Peer{Kind: model.PeerBlock, Block: prefixes(cidr)[0], Except: prefixes(except...)}
}

func nodesWhere(rs ...model.Requirement) model.Peer {
	return model.Peer{Kind: model.PeerNodes, Nodes: model.NewSelector(rs)}
}

func is(key, value string) model.Requirement {
	return model.Requirement{Key: key, Op: model.In, Values: []string{value}}
}

func in(key string, values ...string) model.Requirement {
	return model.Requirement{Key: key, Op: model.In, Values: values}
}

func notIn(key string, values ...string) model.Requirement {
	return model.Requirement{Key: key, Op: model.NotIn, Values: values}
}

func exists(key string) model.Requirement {
	return model.Requirement{Key: key, Op: model.Exists}
}

func absent(key string) model.Requirement {
	return model.Requirement{Key: key, Op: model.DoesNotExist}
}
