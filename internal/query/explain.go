package query

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sluice-net/sluice/internal/artifact"
)

// Explanation is the way of one connection through the tiers.
type Explanation struct {
	Src      string   `json:"src"`
	Dst      string   `json:"dst"`
	Protocol string   `json:"protocol"`
	Port     int      `json:"port,omitempty"`
	Verdict  string   `json:"verdict"`
	Egress   *Passage `json:"egress"`
	Ingress  *Passage `json:"ingress"`
}

// Passage is the way through the tiers of one direction.
type Passage struct {
	Endpoint string   `json:"endpoint"` // the governed pod
	Decision Decision `json:"decision"`
	Note     string   `json:"note,omitempty"` // why no tier was asked
	Tiers    []Asked  `json:"tiers"`
}

// Asked is one tier that was asked.
type Asked struct {
	Tier    string `json:"tier"`
	Outcome string `json:"outcome"` // "allow", "deny" or "pass"
	Why     string `json:"why"`
	Steps   []Step `json:"steps"`
}

// Step is one clause that was compared with the connection.
type Step struct {
	Matched bool     `json:"matched,omitempty"`
	Verdict string   `json:"verdict"`
	Peer    string   `json:"peer"`
	Ports   string   `json:"ports"`
	Reason  string   `json:"reason,omitempty"` // why it did not match
	Rules   []Source `json:"rules"`
}

// Source is a rule with its place.
type Source struct {
	Policy string `json:"policy"`
	Rule   string `json:"rule"`
	Source string `json:"source"`
}

// Explain returns the way of the connection that q asks about; for a workload
// that of its first pod, when all of them get the same verdict.
func (e *Evaluator) Explain(q Query) (Explanation, error) {
	if _, err := e.Eval(q); err != nil {
		return Explanation{}, err
	}
	flows, err := e.flows(q)
	if err != nil {
		return Explanation{}, err
	}
	f := flows[0]
	res := e.rs.Decide(f)
	return Explanation{
		Src: e.name(f.Src), Dst: e.name(f.Dst),
		Protocol: strings.ToUpper(q.Protocol), Port: int(f.Port),
		Verdict: res.Verdict.String(),
		Egress:  e.passage(res.Egress, f.Src, f.Dst, f),
		Ingress: e.passage(res.Ingress, f.Dst, f.Src, f),
	}, nil
}

func (e *Evaluator) passage(d *artifact.Decision, self, peer artifact.End, f artifact.Flow) *Passage {
	if d == nil {
		return nil
	}
	p := &Passage{Endpoint: e.name(self), Decision: *e.decision(d)}
	switch d.Basis {
	case artifact.BySelf:
		p.Note = "a pod's traffic to its own address does not leave the pod and is not filtered"
		return p
	case artifact.ByLocalNode:
		p.Note = "a node always reaches its own pods"
		return p
	case artifact.ByDefault, artifact.ByClause, artifact.ByIsolation:
	}
	if d.Profile == 0 {
		p.Note = "no policy selects the pod in this direction"
	}
	for _, id := range e.rs.Program.Profiles[d.Profile].Tiers {
		t := &e.rs.Program.Tiers[id]
		a := e.asked(t, peer, f)
		p.Tiers = append(p.Tiers, a)
		if a.Outcome != "pass" {
			break
		}
	}
	return p
}

func (e *Evaluator) asked(t *artifact.Tier, peer artifact.End, f artifact.Flow) Asked {
	a := Asked{Tier: t.Kind.String(), Outcome: t.End.String(), Why: "no rule of this tier matches"}
	if t.End == artifact.Deny {
		a.Why = fmt.Sprintf("isolated, and no rule allows it: %s", e.sources(t.EndRules))
	}
	for _, id := range t.Clauses {
		c := &e.rs.Program.Clauses[id]
		s := Step{
			Verdict: c.Verdict.String(), Peer: e.peerText(c.Peer), Ports: e.portsText(c.Ports),
			Rules: e.sourceList(c.Rules),
		}
		peerOK, portOK := e.rs.MatchesPeer(c.Peer, peer), e.rs.MatchesPorts(c.Ports, f)
		switch {
		case !peerOK && !portOK:
			s.Reason = "neither the peer nor the port is among its own"
		case !peerOK:
			s.Reason = "the peer is not among its peers"
		case !portOK && !hasPorts(f.Protocol):
			s.Reason = "it names ports, and this protocol has none"
		case !portOK:
			s.Reason = "the port is not among its ports"
		}
		s.Matched = peerOK && portOK
		a.Steps = append(a.Steps, s)
		if s.Matched {
			a.Outcome = s.Verdict
			a.Why = e.sources(c.Rules)
			break
		}
	}
	return a
}

func hasPorts(protocol uint8) bool { return protocol == 6 || protocol == 17 || protocol == 132 }

func (e *Evaluator) sourceList(ids []artifact.RuleID) []Source {
	out := make([]Source, len(ids))
	for i, id := range ids {
		r := &e.rs.Program.Rules[id]
		out[i] = Source{Policy: r.Policy(), Rule: r.ID, Source: r.Source()}
	}
	return out
}

func (e *Evaluator) sources(ids []artifact.RuleID) string {
	var parts []string
	for _, s := range e.sourceList(ids) {
		parts = append(parts, fmt.Sprintf("%s %s (%s)", s.Policy, s.Rule, s.Source))
	}
	return strings.Join(parts, ", ")
}

func (e *Evaluator) peerText(p artifact.Peer) string {
	switch p.Kind {
	case artifact.PeerGroup:
		return e.rs.Program.Groups[p.ID].Name
	case artifact.PeerBlock:
		return BlockText(e.rs.Program.Blocks[p.ID])
	case artifact.PeerDomain:
		return e.rs.Program.Domains[p.ID].Name
	default:
		return "anyone"
	}
}

// BlockText renders a block as prefixes where its ranges are prefixes, and as
// ranges otherwise.
func BlockText(b artifact.Block) string {
	var parts []string
	for _, r := range b {
		if p, ok := prefixOf(r); ok {
			parts = append(parts, p.String())
		} else {
			parts = append(parts, r.Low.String()+"-"+r.High.String())
		}
	}
	return strings.Join(parts, ", ")
}

func prefixOf(r artifact.AddrRange) (netip.Prefix, bool) {
	for bits := range r.Low.BitLen() + 1 {
		p := netip.PrefixFrom(r.Low, bits)
		if p.Masked() != p {
			continue
		}
		b := p.Addr().AsSlice()
		for i := bits; i < len(b)*8; i++ {
			b[i/8] |= 1 << (7 - i%8)
		}
		if last, _ := netip.AddrFromSlice(b); last == r.High {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

var protocolNames = map[uint8]string{6: "TCP", 17: "UDP", 132: "SCTP"}

func (e *Evaluator) portsText(id artifact.PortsID) string {
	if id == artifact.AllPorts {
		return "everything"
	}
	return PortsText(e.rs.Program.Ports[id])
}

// PortsText renders a port set: "80/TCP, 8000-9000/TCP, */UDP".
func PortsText(s artifact.PortSet) string {
	var parts []string
	for _, r := range s {
		name := protocolNames[r.Protocol]
		switch {
		case r.Low == 0 && r.High == 65535:
			parts = append(parts, "*/"+name)
		case r.Low == r.High:
			parts = append(parts, fmt.Sprintf("%d/%s", r.Low, name))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d/%s", r.Low, r.High, name))
		}
	}
	return strings.Join(parts, ", ")
}
