package query

import (
	"fmt"

	"github.com/sluice-net/sluice/internal/artifact"
)

// Summary is what inspect shows of an artifact.
type Summary struct {
	SchemaVersion  int         `json:"schemaVersion"` // of this document
	ArtifactSchema int         `json:"artifactSchema"`
	Digest         string      `json:"digest"`
	Bytes          int64       `json:"bytes"`
	Generation     uint64      `json:"generation"`
	Parent         string      `json:"parent,omitempty"`
	Default        string      `json:"default"`
	Inputs         []InputInfo `json:"inputs"`
	Counts         Counts      `json:"counts"`
	Nodes          []NodeInfo  `json:"nodes"`
	Profiles       []Profile   `json:"profiles"`
	Rules          []RuleInfo  `json:"rules"`
}

// InputInfo is one input of the compile.
type InputInfo struct {
	Name    string `json:"name"`
	Digest  string `json:"digest"`
	Version string `json:"resourceVersion,omitempty"`
}

// Counts are the sizes of the tables.
type Counts struct {
	Rules     int `json:"rules"`
	Clauses   int `json:"clauses"`
	Tiers     int `json:"tiers"`
	Profiles  int `json:"profiles"`
	PortSets  int `json:"portSets"`
	Blocks    int `json:"blocks"`
	Groups    int `json:"groups"`
	Domains   int `json:"domains"`
	Classes   int `json:"classes"`
	Nodes     int `json:"nodes"`
	Endpoints int `json:"endpoints"`
	Addresses int `json:"addresses"`
}

// NodeInfo is one node and how many endpoints it has.
type NodeInfo struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
	PodCIDRs  []string `json:"podCIDRs"`
	Endpoints int      `json:"endpoints"`
}

// Profile is one distinct set of effective rules.
type Profile struct {
	ID        int           `json:"id"`
	Direction string        `json:"direction"`
	Endpoints int           `json:"endpoints"` // how many it governs
	Tiers     []ProfileTier `json:"tiers"`
}

// ProfileTier is one tier of a profile.
type ProfileTier struct {
	Tier    string `json:"tier"`
	Clauses []Step `json:"clauses"`
	End     string `json:"end"`
}

// RuleInfo is one rule that some clause came from.
type RuleInfo struct {
	Tier      string `json:"tier"`
	Direction string `json:"direction"`
	Source
}

// Summarise describes rs; size is that of its encoding, in bytes.
func Summarise(rs *artifact.Ruleset, size int64) Summary {
	e := New(rs)
	p, m := &rs.Program, &rs.Membership
	s := Summary{
		SchemaVersion: 1, ArtifactSchema: artifact.SchemaVersion,
		Digest: rs.Digest.String(), Bytes: size, Generation: rs.Header.Generation, Default: rs.Header.Default.String(),
		Counts: Counts{
			Rules: len(p.Rules), Clauses: len(p.Clauses), Tiers: len(p.Tiers), Profiles: len(p.Profiles) - 1,
			PortSets: len(p.Ports) - 1, Blocks: len(p.Blocks), Groups: len(p.Groups), Domains: len(p.Domains),
			Classes: len(m.Classes), Nodes: len(m.Nodes), Endpoints: len(m.Endpoints),
		},
		Inputs: []InputInfo{}, Nodes: []NodeInfo{}, Profiles: []Profile{}, Rules: []RuleInfo{},
	}
	if !rs.Header.Parent.IsZero() {
		s.Parent = rs.Header.Parent.String()
	}
	for _, in := range rs.Header.Inputs {
		s.Inputs = append(s.Inputs, InputInfo{in.Name, in.Digest.String(), in.Version})
	}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		s.Nodes = append(s.Nodes, NodeInfo{Name: n.Name, Addresses: texts(n.Addresses), PodCIDRs: texts(n.PodCIDRs)})
	}
	governs := make([]int, len(p.Profiles))
	for i := range m.Endpoints {
		ep := &m.Endpoints[i]
		s.Counts.Addresses += len(ep.Addresses)
		if ep.Node != artifact.NoNode {
			s.Nodes[ep.Node].Endpoints++
		}
		for _, f := range m.Classes[ep.Class].Profiles {
			governs[f]++
		}
	}
	for i := 1; i < len(p.Profiles); i++ {
		s.Profiles = append(s.Profiles, e.profile(i, governs[i]))
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		s.Rules = append(s.Rules, RuleInfo{r.Tier.String(), r.Direction.String(), Source{r.Policy(), r.ID, r.Source()}})
	}
	return s
}

func (e *Evaluator) profile(id, endpoints int) Profile {
	f := &e.rs.Program.Profiles[id]
	out := Profile{ID: id, Direction: f.Direction.String(), Endpoints: endpoints}
	for _, tid := range f.Tiers {
		t := &e.rs.Program.Tiers[tid]
		pt := ProfileTier{Tier: t.Kind.String(), End: t.End.String(), Clauses: []Step{}}
		for _, cid := range t.Clauses {
			c := &e.rs.Program.Clauses[cid]
			pt.Clauses = append(pt.Clauses, Step{
				Verdict: c.Verdict.String(), Peer: e.peerText(c.Peer), Ports: e.portsText(c.Ports),
				Rules: e.sourceList(c.Rules),
			})
		}
		out.Tiers = append(out.Tiers, pt)
	}
	return out
}

func texts[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return out
}
