package manifest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/internal/model"
)

func (w *writer) networkPolicy(p *model.Policy) {
	w.object("networking.k8s.io/v1", "NetworkPolicy", p.Namespace, p.Name, nil)
	w.line(0, "spec:")
	w.line(1, "podSelector: %s", selector(p.Subject.Pods))
	var types []string
	for d, name := range [2]string{"Ingress", "Egress"} {
		if p.Sections[d].Applies {
			types = append(types, name)
		}
	}
	w.line(1, "policyTypes: [%s]", strings.Join(types, ", "))
	for d, field := range [2]string{"ingress", "egress"} {
		if len(p.Sections[d].Rules) == 0 {
			continue
		}
		w.line(1, "%s:", field)
		for i := range p.Sections[d].Rules {
			w.networkPolicyRule(p, &p.Sections[d].Rules[i], [2]string{"from", "to"}[d])
		}
	}
}

func (w *writer) networkPolicyRule(p *model.Policy, r *model.Rule, peers string) {
	if r.AnyPeer && r.AnyPort {
		w.line(1, "- {}")
		return
	}
	bullet := "- "
	if !r.AnyPeer {
		w.line(1, "%s%s:", bullet, peers)
		bullet = "  "
		for i := range r.Peers {
			w.line(2, "- %s", networkPolicyPeer(p, &r.Peers[i]))
		}
		if len(r.Peers) == 0 {
			w.line(2, "- podSelector: %s # no peer", nothing)
		}
	}
	if !r.AnyPort {
		w.line(1, "%sports:", bullet)
		for i := range r.Ports {
			w.line(2, "- %s", networkPolicyPort(&r.Ports[i]))
		}
		if len(r.Ports) == 0 {
			w.line(2, "- {protocol: TCP, port: no-port}")
		}
	}
}

// nothing is a selector without matches, for a rule that has lost its peers.
const nothing = "{matchExpressions: [{key: no-peer, operator: Exists}, {key: no-peer, operator: DoesNotExist}]}"

func networkPolicyPeer(p *model.Policy, peer *model.Peer) string {
	switch {
	case peer.Kind == model.PeerBlock:
		if len(peer.Except) == 0 {
			return fmt.Sprintf("ipBlock: {cidr: %q}", peer.Block)
		}
		var except []string
		for _, x := range peer.Except {
			except = append(except, strconv.Quote(x.String()))
		}
		return fmt.Sprintf("ipBlock: {cidr: %q, except: [%s]}", peer.Block, strings.Join(except, ", "))
	case peer.Namespaces.Name == p.Namespace:
		return "podSelector: " + selector(peer.Pods)
	case peer.Pods.Everything():
		return "namespaceSelector: " + namespaces(peer.Namespaces)
	default:
		return fmt.Sprintf("{namespaceSelector: %s, podSelector: %s}", namespaces(peer.Namespaces), selector(peer.Pods))
	}
}

func networkPolicyPort(p *model.Port) string {
	switch {
	case p.Name != "":
		return fmt.Sprintf("{protocol: %s, port: %s}", p.Protocol, scalar(p.Name))
	case p.Low == 0 && p.High == 65535:
		return fmt.Sprintf("{protocol: %s}", p.Protocol)
	case p.Low == p.High:
		return fmt.Sprintf("{protocol: %s, port: %d}", p.Protocol, p.Low)
	default:
		return fmt.Sprintf("{protocol: %s, port: %d, endPort: %d}", p.Protocol, p.Low, p.High)
	}
}

// clusterPolicy writes ClusterNetworkPolicy (v1alpha2) or one of the older
// kinds (v1alpha1). A rule without peers or ports left, which those kinds
// cannot say, is left out.
func (w *writer) clusterPolicy(p *model.Policy) {
	d := dialectOf(p.Kind)
	w.object(d.apiVersion, p.Kind, "", p.Name, nil)
	w.line(0, "spec:")
	if d.tier {
		w.line(1, "tier: %s", map[model.Tier]string{model.TierAdmin: "Admin", model.TierBaseline: "Baseline"}[p.Tier])
	}
	if p.Kind != "BaselineAdminNetworkPolicy" {
		w.line(1, "priority: %d", p.Priority)
	}
	if p.Subject.Pods.Everything() {
		w.line(1, "subject: {namespaces: %s}", namespaces(p.Subject.Namespaces))
	} else {
		w.line(1, "subject: {pods: {namespaceSelector: %s, podSelector: %s}}",
			namespaces(p.Subject.Namespaces), selector(p.Subject.Pods))
	}
	for dir, field := range [2]string{"ingress", "egress"} {
		section := &p.Sections[dir]
		if !section.Applies || len(section.Rules) == 0 {
			continue
		}
		w.line(1, "%s:", field)
		for i := range section.Rules {
			w.clusterRule(&section.Rules[i], d, [2]string{"from", "to"}[dir])
		}
	}
}

// dialect is how a kind of cluster-wide policy is spelled.
type dialect struct {
	apiVersion string
	tier       bool
	allow      string
	ports      string
}

func dialectOf(kind string) dialect {
	if kind == "ClusterNetworkPolicy" {
		return dialect{"policy.networking.k8s.io/v1alpha2", true, "Accept", "protocols"}
	}
	return dialect{"policy.networking.k8s.io/v1alpha1", false, "Allow", "ports"}
}

func (w *writer) clusterRule(r *model.Rule, d dialect, peers string) {
	if !r.AnyPeer && len(r.Peers) == 0 || !r.AnyPort && len(r.Ports) == 0 {
		w.line(2, "# rule %s matches nothing", r.ID)
		return
	}
	action := map[model.Verdict]string{model.Allow: d.allow, model.Deny: "Deny", model.Pass: "Pass"}[r.Verdict]
	w.line(1, "- name: %q", r.ID)
	w.line(1, "  action: %s", action)
	w.line(1, "  %s:", peers)
	if r.AnyPeer {
		// No single peer is everything.
		w.line(1, "  - namespaces: {}")
		if peers == "to" {
			w.line(1, `  - networks: ["0.0.0.0/0", "::/0"]`)
		}
	}
	for i := range r.Peers {
		for _, text := range clusterPeer(&r.Peers[i]) {
			w.line(1, "  - %s", text)
		}
	}
	if r.AnyPort {
		return
	}
	w.line(1, "  %s:", d.ports)
	for i := range r.Ports {
		w.line(1, "  - %s", clusterPort(&r.Ports[i], d))
	}
}

func clusterPeer(p *model.Peer) []string {
	switch p.Kind {
	case model.PeerNodes:
		return []string{"nodes: " + selector(p.Nodes)}
	case model.PeerDomain:
		return []string{fmt.Sprintf("domainNames: [%q]", p.Domain)}
	case model.PeerBlock:
		text := fmt.Sprintf("networks: [%q]", p.Block)
		if len(p.Except) > 0 {
			text += fmt.Sprintf(" # except %v, which this kind cannot say", p.Except)
		}
		return []string{text}
	default:
		if p.Pods.Everything() {
			return []string{"namespaces: " + namespaces(p.Namespaces)}
		}
		return []string{fmt.Sprintf("pods: {namespaceSelector: %s, podSelector: %s}", namespaces(p.Namespaces), selector(p.Pods))}
	}
}

func clusterPort(p *model.Port, d dialect) string {
	if d.apiVersion == "policy.networking.k8s.io/v1alpha1" {
		switch {
		case p.Name != "":
			return fmt.Sprintf("namedPort: %s", scalar(p.Name))
		case p.Low == p.High:
			return fmt.Sprintf("portNumber: {protocol: %s, port: %d}", p.Protocol, p.Low)
		default:
			return fmt.Sprintf("portRange: {protocol: %s, start: %d, end: %d}", p.Protocol, max(p.Low, 1), p.High)
		}
	}
	protocol := strings.ToLower(p.Protocol.String())
	switch {
	case p.Name != "":
		return fmt.Sprintf("destinationNamedPort: %s", scalar(p.Name))
	case p.Low == p.High:
		return fmt.Sprintf("%s: {destinationPort: {number: %d}}", protocol, p.Low)
	default:
		return fmt.Sprintf("%s: {destinationPort: {range: {start: %d, end: %d}}}", protocol, max(p.Low, 1), p.High)
	}
}

// comment describes a policy that is not a Kubernetes object.
func (w *writer) comment(p *model.Policy) {
	w.line(0, "---")
	w.line(0, "# %s, %s tier, priority %d", p.Ref(), p.Tier, p.Priority)
	w.line(0, "# subject: namespaces %s, pods {%s}", p.Subject.Namespaces, p.Subject.Pods)
	for _, d := range model.Directions {
		if !p.Sections[d].Applies {
			continue
		}
		for _, r := range p.Sections[d].Rules {
			var peers []string
			for _, peer := range r.Peers {
				switch peer.Kind {
				case model.PeerPods:
					peers = append(peers, fmt.Sprintf("pods %s {%s}", peer.Namespaces, peer.Pods))
				case model.PeerBlock:
					peers = append(peers, fmt.Sprintf("%s except %v", peer.Block, peer.Except))
				case model.PeerNodes:
					peers = append(peers, fmt.Sprintf("nodes {%s}", peer.Nodes))
				case model.PeerDomain:
					peers = append(peers, peer.Domain)
				}
			}
			w.line(0, "# %s %s: %s; peers any=%t %s; ports any=%t %v", d, r.ID, r.Verdict,
				r.AnyPeer, strings.Join(peers, " | "), r.AnyPort, r.Ports)
		}
	}
}

func namespaces(m model.NamespaceMatch) string {
	if m.Name != "" {
		return fmt.Sprintf("{matchLabels: {%s: %s}}", model.NamespaceNameLabel, scalar(m.Name))
	}
	return selector(m.Selector)
}

// selector renders a label selector in flow style.
func selector(s model.Selector) string {
	var labels, expressions []string
	seen := map[string]bool{}
	for _, r := range s.Requirements {
		var values []string
		for _, v := range r.Values {
			values = append(values, strconv.Quote(v))
		}
		// matchLabels has each key once; what it cannot hold is an expression.
		if r.Op == model.In && len(r.Values) == 1 && !seen[r.Key] {
			seen[r.Key] = true
			labels = append(labels, r.Key+": "+values[0])
			continue
		}
		switch r.Op {
		case model.In, model.NotIn:
			op := map[model.Operator]string{model.In: "In", model.NotIn: "NotIn"}[r.Op]
			expressions = append(expressions, fmt.Sprintf("{key: %s, operator: %s, values: [%s]}", r.Key, op, strings.Join(values, ", ")))
		case model.Exists:
			expressions = append(expressions, fmt.Sprintf("{key: %s, operator: Exists}", r.Key))
		case model.DoesNotExist:
			expressions = append(expressions, fmt.Sprintf("{key: %s, operator: DoesNotExist}", r.Key))
		}
	}
	var fields []string
	if len(labels) > 0 {
		fields = append(fields, "matchLabels: {"+strings.Join(labels, ", ")+"}")
	}
	if len(expressions) > 0 {
		fields = append(fields, "matchExpressions: ["+strings.Join(expressions, ", ")+"]")
	}
	return "{" + strings.Join(fields, ", ") + "}"
}
