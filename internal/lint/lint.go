// Package lint finds what is legal in policies and probably not meant. What
// is not legal, the stages that read and compile report with ids of the same
// series.
package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// linter is one run.
type linter struct {
	s   *model.Snapshot
	sel *compiler.Selection
	rs  *artifact.Ruleset // nil when the snapshot does not compile
	ds  diag.List
	// blind is true when the input has no workloads: what policies select
	// cannot be known then.
	blind bool
}

// Run checks s and returns its findings, unsorted; rs is s compiled, or nil if
// it does not compile.
func Run(s *model.Snapshot, rs *artifact.Ruleset) diag.List {
	l := &linter{s: s, sel: compiler.NewSelection(s), rs: rs, blind: len(s.Pods) == 0}
	policies := 0
	for i := range s.Policies {
		p := &s.Policies[i]
		if p.Tier == model.TierSegment {
			continue // a rule there is many policies; its front end checks it
		}
		policies++
		l.subject(p)
		l.version(p)
		for _, d := range model.Directions {
			for j := range p.Sections[d].Rules {
				l.rule(p, d, &p.Sections[d].Rules[j])
			}
		}
	}
	if l.blind && policies > 0 {
		l.ds.Add(diag.Diagnostic{
			Severity: diag.Note, Pos: s.Policies[0].Pos,
			Message: "the input has no workloads, so what policies select is unknown: NP101, NP102, NP109, NP202 and NP301 were not checked",
			Hint:    "lint the policies together with the manifests of the workloads",
		})
	}
	l.ties()
	l.defaultDeny()
	l.dns()
	return l.ds
}

func (l *linter) warn(id string, pos diag.Pos, object, message, hint string) {
	l.ds.Add(diag.Diagnostic{Code: id, Severity: diag.Warning, Pos: pos, Object: object, Message: message, Hint: hint})
}

func (l *linter) subject(p *model.Policy) {
	if l.blind || l.sel.Any(p.Subject.Namespaces, p.Subject.Pods) {
		return
	}
	what := "no pod"
	if !p.Subject.Pods.Everything() {
		what = fmt.Sprintf("no pod with %s", p.Subject.Pods)
	}
	if p.Subject.Namespaces.Name != "" {
		what += " in namespace " + p.Subject.Namespaces.Name
	}
	l.warn("NP101", cmp.Or(p.Subject.Pos, p.Pos), p.Ref(), "selects "+what+" of the input, so it has no effect",
		"correct the selector, or lint together with the workloads that it is for")
}

func (l *linter) rule(p *model.Policy, d model.Direction, r *model.Rule) {
	if r.EmptyPeers && !r.AnyPort {
		field := map[model.Direction]string{model.Ingress: "from", model.Egress: "to"}[d]
		l.warn("NP204", r.Pos, p.Ref(),
			fmt.Sprintf("%s: the empty list %q allows every peer on these ports; it reads as if it allowed none", r.ID, field),
			fmt.Sprintf("leave %q out to allow everyone, or remove the rule to allow no one", field))
	}
	for i := range r.Peers {
		l.peer(p, r, i)
	}
	for i := range r.Ports {
		if r.Ports[i].Name != "" && !l.blind {
			l.namedPort(p, d, r, &r.Ports[i])
		}
	}
}

func (l *linter) peer(p *model.Policy, r *model.Rule, i int) {
	peer := &r.Peers[i]
	if peer.Kind != model.PeerPods {
		return
	}
	if !l.blind && !l.sel.Any(peer.Namespaces, peer.Pods) {
		l.warn("NP102", peer.Pos, p.Ref(),
			fmt.Sprintf("%s: peer %s selects no pod of the input", r.ID, describe(peer)),
			"correct the selectors, or lint together with the workloads that they are for")
	}
	if i == 0 || p.Tier != model.TierNamespace {
		return
	}
	prev := &r.Peers[i-1]
	if prev.Kind == model.PeerPods && namespacesOnly(prev) && ownPodsOnly(p, peer) {
		l.warn("NP207", peer.Pos, p.Ref(),
			fmt.Sprintf("%s: a namespaceSelector and a podSelector as two list items mean either of them: every pod of namespaces %s, and pods with %s of this namespace",
				r.ID, prev.Namespaces, peer.Pods),
			"to mean pods that match both, write podSelector without the dash, in the item of namespaceSelector")
	}
}

// namespacesOnly and ownPodsOnly tell how a peer was written: with a
// namespaceSelector alone, or with a podSelector alone.
func namespacesOnly(p *model.Peer) bool { return p.Namespaces.Name == "" && p.Pods.Everything() }

func ownPodsOnly(pol *model.Policy, p *model.Peer) bool {
	return p.Namespaces.Name == pol.Namespace && !p.Pods.Everything()
}

func describe(p *model.Peer) string {
	pods, where := "of any pods", ""
	if !p.Pods.Everything() {
		pods = "of pods with " + p.Pods.String()
	}
	switch {
	case p.Namespaces.Name != "":
		where = " in namespace " + p.Namespaces.Name
	case !p.Namespaces.Selector.Everything():
		where = " in namespaces with " + p.Namespaces.Selector.String()
	}
	return pods + where
}

// namedPort looks for a destination pod that has the port.
func (l *linter) namedPort(p *model.Policy, d model.Direction, r *model.Rule, port *model.Port) {
	has, some := false, false
	look := func(ns model.NamespaceMatch, pods model.Selector) {
		h, s := l.sel.HasPort(ns, pods, *port)
		has, some = has || h, some || s
	}
	switch {
	case d == model.Ingress:
		look(p.Subject.Namespaces, p.Subject.Pods)
	case r.AnyPeer:
		look(model.NamespaceMatch{}, model.Selector{})
	default:
		for i := range r.Peers {
			if r.Peers[i].Kind == model.PeerPods {
				look(r.Peers[i].Namespaces, r.Peers[i].Pods)
			}
		}
	}
	if has || !some { // without any destination, NP101 or NP102 says it
		return
	}
	protocol := port.Protocol.String()
	if port.Protocol == model.AnyProtocol {
		protocol = "any protocol"
	}
	l.warn("NP109", cmp.Or(port.Pos, r.Pos), p.Ref(),
		fmt.Sprintf("%s: no destination pod declares a port named %q for %s, so this port matches nothing", r.ID, port.Name, protocol),
		"name the port in the destination's container ports, or use its number")
}

// defaultDeny reports namespaces whose pods are not all isolated.
func (l *linter) defaultDeny() {
	var covered [2]map[string]bool
	for _, d := range model.Directions {
		covered[d] = map[string]bool{}
	}
	for i := range l.s.Policies {
		p := &l.s.Policies[i]
		if p.Tier != model.TierNamespace || !p.Subject.Pods.Everything() {
			continue
		}
		for _, d := range model.Directions {
			allowsAll := slices.ContainsFunc(p.Sections[d].Rules, func(r model.Rule) bool { return r.AnyPeer && r.AnyPort })
			if p.Sections[d].Applies && !allowsAll {
				covered[d][p.Namespace] = true
			}
		}
	}
	positions := map[string]diag.Pos{}
	for i := range l.s.Namespaces {
		positions[l.s.Namespaces[i].Name] = l.s.Namespaces[i].Pos
	}
	first := map[string]diag.Pos{}
	for i := range l.s.Pods {
		p := &l.s.Pods[i]
		if p.HostNetwork || p.Finished {
			continue
		}
		if have, ok := first[p.Namespace]; !ok || p.Pos.Compare(have) < 0 {
			first[p.Namespace] = p.Pos
		}
	}
	for ns, pos := range first {
		var missing []string
		for _, d := range model.Directions {
			if !covered[d][ns] {
				missing = append(missing, d.String())
			}
		}
		if len(missing) == 0 {
			continue
		}
		if positions[ns].File != "" {
			pos = positions[ns]
		}
		l.warn("NP202", pos, "Namespace/"+ns,
			fmt.Sprintf("no policy denies %s by default: a pod that no other policy selects is open", strings.Join(missing, " and ")),
			"add a NetworkPolicy with an empty podSelector, these policyTypes and no rules")
	}
}

// dns reports isolating policies whose pods may not ask for names.
func (l *linter) dns() {
	if l.rs == nil {
		return
	}
	type gap struct {
		protocols string
		pods      []string
	}
	gaps := map[artifact.RuleID]*gap{}
	servers := l.dnsServers()
	m, p := &l.rs.Membership, &l.rs.Program
	for i := range m.Endpoints {
		e := &m.Endpoints[i]
		for _, tid := range p.Profiles[m.Classes[e.Class].Profiles[artifact.Egress]].Tiers {
			t := &p.Tiers[tid]
			if t.Kind != artifact.TierNamespace || t.End != artifact.Deny {
				continue
			}
			var missing []string
			for _, proto := range []struct {
				name   string
				number uint8
			}{{"UDP", 17}, {"TCP", 6}} {
				if !l.reachesDNS(t, servers, proto.number) {
					missing = append(missing, proto.name)
				}
			}
			if len(missing) > 0 {
				g := gaps[t.EndRules[0]]
				if g == nil {
					g = &gap{protocols: strings.Join(missing, " and ")}
					gaps[t.EndRules[0]] = g
				}
				g.pods = append(g.pods, e.String())
			}
		}
	}
	at := l.positions()
	for id, g := range gaps {
		r := &p.Rules[id]
		example := g.pods[0]
		if n := len(g.pods) - 1; n > 0 {
			example += fmt.Sprintf(" and %d more", n)
		}
		l.warn("NP301", at[r.Policy()], r.Policy(),
			fmt.Sprintf("isolates egress, and nothing lets %s reach port 53 over %s: names do not resolve there", example, g.protocols),
			"allow egress to the cluster's DNS on port 53, UDP and TCP, or state that these pods need no names")
	}
}

func (l *linter) positions() map[string]diag.Pos {
	out := map[string]diag.Pos{}
	for i := range l.s.Policies {
		out[l.s.Policies[i].Ref()] = l.s.Policies[i].Pos
	}
	return out
}

// dnsServers returns the cluster's DNS pods, if the input has them.
func (l *linter) dnsServers() []artifact.End {
	names := map[string]bool{}
	for i := range l.s.Pods {
		if p := &l.s.Pods[i]; p.Labels["k8s-app"] == "kube-dns" && !p.Finished {
			names[p.Namespace+"/"+p.Name] = true
		}
	}
	var out []artifact.End
	for i := range l.rs.Membership.Endpoints {
		if names[l.rs.Membership.Endpoints[i].String()] {
			out = append(out, artifact.End{Endpoint: i, Node: -1})
		}
	}
	return out
}

// reachesDNS reports whether a tier allows port 53 to a DNS server. Where the
// input does not have the servers, any peer may be one; an address block may
// always be a resolver outside or on the node.
func (l *linter) reachesDNS(t *artifact.Tier, servers []artifact.End, protocol uint8) bool {
	return slices.ContainsFunc(t.Clauses, func(id artifact.ClauseID) bool {
		c := &l.rs.Program.Clauses[id]
		if !l.rs.MatchesPorts(c.Ports, artifact.Flow{Protocol: protocol, Port: 53}) {
			return false
		}
		return c.Peer.Kind != artifact.PeerGroup || len(servers) == 0 ||
			slices.ContainsFunc(servers, func(e artifact.End) bool { return l.rs.MatchesPeer(c.Peer, e) })
	})
}
