package artifact

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Validate checks every invariant that the types state, so that no consumer
// has to: identifiers in range, orders, uniqueness. Decode calls it on what it
// read and Encode on what it is to write.
func (rs *Ruleset) Validate() error {
	for _, check := range []func() error{
		rs.Header.validate,
		rs.Program.validateTables,
		rs.Program.validateClauses,
		rs.Program.validateTiers,
		func() error { return rs.Membership.validateClasses(&rs.Program) },
		rs.Membership.validateNodes,
		rs.Membership.validateEndpoints,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (h *Header) validate() error {
	if h.Default != Allow && h.Default != Deny {
		return fmt.Errorf("header: default verdict is %v", h.Default)
	}
	for i := 1; i < len(h.Inputs); i++ {
		if h.Inputs[i-1].Name >= h.Inputs[i].Name {
			return fmt.Errorf("header: inputs %q and %q are not in order", h.Inputs[i-1].Name, h.Inputs[i].Name)
		}
	}
	return nil
}

func (p *Program) validateTables() error {
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Tier < TierAdmin || r.Tier > TierBaseline || r.Direction > Egress {
			return fmt.Errorf("rule %d: tier %d, direction %d", i, r.Tier, r.Direction)
		}
	}
	if len(p.Ports) == 0 || p.Ports[AllPorts] != nil {
		return errors.New("port set 0 must be the set of all ports")
	}
	for i, set := range p.Ports[1:] {
		if err := set.validate(); err != nil {
			return fmt.Errorf("port set %d: %w", i+1, err)
		}
	}
	for i, b := range p.Blocks {
		if err := b.validate(); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	names := make(map[string]bool, len(p.Groups))
	for i, g := range p.Groups {
		if names[g.Name] {
			return fmt.Errorf("group %d: a second group named %q", i, g.Name)
		}
		names[g.Name] = true
	}
	return nil
}

func (s PortSet) validate() error {
	if len(s) == 0 {
		return errors.New("empty")
	}
	for i, r := range s {
		if r.Protocol != 6 && r.Protocol != 17 && r.Protocol != 132 {
			return fmt.Errorf("protocol %d has no ports", r.Protocol)
		}
		if r.Low > r.High {
			return fmt.Errorf("range %d-%d is inverted", r.Low, r.High)
		}
		if i == 0 {
			continue
		}
		if q := s[i-1]; q.Protocol > r.Protocol || q.Protocol == r.Protocol && int(q.High)+1 >= int(r.Low) {
			return errors.New("ranges are not in order, overlap or touch")
		}
	}
	return nil
}

func (b Block) validate() error {
	for i, r := range b {
		if !r.Low.IsValid() || !r.High.IsValid() || r.Low.BitLen() != r.High.BitLen() || r.High.Less(r.Low) ||
			r.Low.Zone() != "" || r.High.Zone() != "" {
			return fmt.Errorf("range %v-%v is not a range", r.Low, r.High)
		}
		if i == 0 {
			continue
		}
		q := b[i-1]
		if q.High.Is4() == r.Low.Is4() {
			if next := q.High.Next(); !next.IsValid() || !next.Less(r.Low) {
				return errors.New("ranges are not in order, overlap or touch")
			}
		} else if r.Low.Is4() {
			return errors.New("IPv6 before IPv4")
		}
	}
	return nil
}

func inRange[T ~uint32](list []T, limit int) bool {
	return !slices.ContainsFunc(list, func(v T) bool { return int(v) >= limit })
}

func (p *Program) validateClauses() error {
	for i := range p.Clauses {
		c := &p.Clauses[i]
		if c.Verdict < Allow || c.Verdict > Pass {
			return fmt.Errorf("clause %d: verdict %d", i, c.Verdict)
		}
		limit := 0
		switch c.Peer.Kind {
		case PeerAny:
			limit = 1
		case PeerGroup:
			limit = len(p.Groups)
		case PeerBlock:
			limit = len(p.Blocks)
		case PeerDomain:
			limit = len(p.Domains)
		}
		if int(c.Peer.ID) >= limit {
			return fmt.Errorf("clause %d: peer %d of kind %d", i, c.Peer.ID, c.Peer.Kind)
		}
		if int(c.Ports) >= len(p.Ports) || !inRange(c.Rules, len(p.Rules)) || len(c.Rules) == 0 {
			return fmt.Errorf("clause %d: ports or rules out of range", i)
		}
	}
	return nil
}

func (p *Program) validateTiers() error {
	for i := range p.Tiers {
		t := &p.Tiers[i]
		if t.Kind < TierAdmin || t.Kind > TierBaseline || t.End != Deny && t.End != Pass {
			return fmt.Errorf("tier program %d: kind %d ends with %v", i, t.Kind, t.End)
		}
		if !inRange(t.Clauses, len(p.Clauses)) || !inRange(t.EndRules, len(p.Rules)) {
			return fmt.Errorf("tier program %d: clauses or rules out of range", i)
		}
		if (t.End == Deny) != (len(t.EndRules) > 0) {
			return fmt.Errorf("tier program %d: ends with %v and names %d rules for it", i, t.End, len(t.EndRules))
		}
	}
	if len(p.Profiles) == 0 || len(p.Profiles[0].Tiers) != 0 {
		return errors.New("profile 0 must be the one without tiers")
	}
	for i := range p.Profiles {
		f := &p.Profiles[i]
		if f.Direction > Egress || !inRange(f.Tiers, len(p.Tiers)) {
			return fmt.Errorf("profile %d: direction or tiers out of range", i)
		}
		if i > 0 && len(f.Tiers) == 0 {
			return fmt.Errorf("profile %d: a second profile without tiers", i)
		}
		for j := 1; j < len(f.Tiers); j++ {
			if p.Tiers[f.Tiers[j-1]].Kind >= p.Tiers[f.Tiers[j]].Kind {
				return fmt.Errorf("profile %d: tiers are not in order", i)
			}
		}
	}
	return nil
}

func (m *Membership) validateClasses(p *Program) error {
	if len(m.Classes) == 0 {
		return errors.New("class 0 is missing")
	}
	for i := range m.Classes {
		c := &m.Classes[i]
		for dir, f := range c.Profiles {
			if int(f) >= len(p.Profiles) || f != 0 && p.Profiles[f].Direction != Direction(dir) {
				return fmt.Errorf("class %d: %v profile %d is out of range or of the other direction", i, Direction(dir), f)
			}
		}
		if !inRange(c.Groups, len(p.Groups)) {
			return fmt.Errorf("class %d: groups out of range", i)
		}
		for j := 1; j < len(c.Groups); j++ {
			if c.Groups[j-1] >= c.Groups[j] {
				return fmt.Errorf("class %d: groups are not in order", i)
			}
		}
		if i == 0 && (c.Profiles != [2]ProfileID{} || len(c.Groups) > 0) {
			return errors.New("class 0 must be the class of no policy and no group")
		}
	}
	return nil
}

func (m *Membership) validateNodes() error {
	for i := range m.Nodes {
		n := &m.Nodes[i]
		if i > 0 && m.Nodes[i-1].Name >= n.Name {
			return fmt.Errorf("nodes %q and %q are not in order", m.Nodes[i-1].Name, n.Name)
		}
		if int(n.Class) >= len(m.Classes) || m.Classes[n.Class].Profiles != [2]ProfileID{} {
			return fmt.Errorf("node %q: class %d is out of range or has profiles", n.Name, n.Class)
		}
		for _, p := range n.PodCIDRs {
			if !p.IsValid() || p != p.Masked() {
				return fmt.Errorf("node %q: pod range %v", n.Name, p)
			}
		}
	}
	return nil
}

// Compare orders endpoints by namespace, name and workload.
func (e *Endpoint) Compare(o *Endpoint) int {
	return cmp.Or(
		cmp.Compare(e.Namespace, o.Namespace),
		cmp.Compare(e.Name, o.Name),
		cmp.Compare(e.Workload, o.Workload),
	)
}

func (m *Membership) validateEndpoints() error {
	owner := make(map[netip.Addr]*Endpoint, len(m.Endpoints))
	for i := range m.Endpoints {
		e := &m.Endpoints[i]
		if i > 0 && m.Endpoints[i-1].Compare(e) >= 0 {
			return fmt.Errorf("endpoints %v and %v are not in order", &m.Endpoints[i-1], e)
		}
		if int(e.Class) >= len(m.Classes) || e.Node < NoNode || int(e.Node) >= len(m.Nodes) {
			return fmt.Errorf("endpoint %v: class or node out of range", e)
		}
		for _, a := range e.Addresses {
			if !a.IsValid() || a.Zone() != "" {
				return fmt.Errorf("endpoint %v: address %v", e, a)
			}
		}
		switch e.Kind {
		case EndpointPod:
			for _, a := range e.Addresses {
				if o := owner[a]; o != nil {
					return fmt.Errorf("endpoints %v and %v share the address %v", o, e, a)
				}
				owner[a] = e
			}
		case EndpointStandIn, EndpointFinished:
			if len(e.Addresses) > 0 {
				return fmt.Errorf("endpoint %v: a %v has no address", e, e.Kind)
			}
		case EndpointHostPod:
		default:
			return fmt.Errorf("endpoint %v: kind %d", e, e.Kind)
		}
		if (e.Kind == EndpointHostPod || e.Kind == EndpointFinished) && e.Class != 0 {
			return fmt.Errorf("endpoint %v: a %v has class 0", e, e.Kind)
		}
	}
	return nil
}
