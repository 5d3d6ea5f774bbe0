package verify

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
)

// The kinds of failure that Check reports, so that a reduction can hold on to
// the one it began with.
var (
	ErrResolve = errors.New("end not found")
	ErrVerdict = errors.New("wrong verdict")
	ErrReason  = errors.New("wrong reason")
)

// SameKind reports whether two failures are of one kind.
func SameKind(a, b error) bool {
	return slices.ContainsFunc([]error{ErrResolve, ErrVerdict, ErrReason}, func(kind error) bool {
		return errors.Is(a, kind) && errors.Is(b, kind)
	})
}

// Checker asks an artifact and the slow evaluator the same questions. It is
// safe for concurrent use.
type Checker struct {
	snapshot *model.Snapshot
	oracle   *oracle.Evaluator
	ruleset  *artifact.Ruleset
	resolver *artifact.Resolver
	rules    map[ruleKey][]oracle.Because // several where one object became several policies
	names    []string                     // of the ruleset's rules
	nameOf   map[oracle.Because]string    // of the sources' rules and isolations
}

// NewChecker prepares a checker of rs, compiled from s with that default
// verdict; neither may change.
func NewChecker(s *model.Snapshot, rs *artifact.Ruleset, fallback artifact.Verdict) *Checker {
	c := &Checker{
		snapshot: s,
		oracle:   oracle.New(s, oracle.Options{Default: model.Verdict(fallback)}),
		ruleset:  rs,
		resolver: artifact.NewResolver(rs),
		rules:    map[ruleKey][]oracle.Because{},
		names:    make([]string, len(rs.Program.Rules)),
		nameOf:   map[oracle.Because]string{},
	}
	for i := range rs.Program.Rules {
		c.names[i] = rs.Program.Rules[i].Policy() + " " + rs.Program.Rules[i].ID
	}
	for i := range s.Policies {
		p := &s.Policies[i]
		ref := p.Ref()
		c.nameOf[oracle.Because{Policy: p}] = ref + " isolation"
		for _, d := range model.Directions {
			for j := range p.Sections[d].Rules {
				b := oracle.Because{Policy: p, Rule: &p.Sections[d].Rules[j]}
				c.nameOf[b] = ref + " " + b.Rule.ID
				k := ruleKey{d, p.Tier, c.nameOf[b]}
				c.rules[k] = append(c.rules[k], b)
			}
		}
	}
	return c
}

// Check returns what is wrong with the ruleset's answer about c; nil if the
// slow evaluator agrees with verdicts and reasons.
func (k *Checker) Check(c oracle.Connection) error {
	f := artifact.Flow{Protocol: uint8(c.Protocol), Port: c.Port}
	var err error
	if f.Src, err = k.end(c.Src); err != nil {
		return err
	}
	if f.Dst, err = k.end(c.Dst); err != nil {
		return err
	}
	want, got := k.oracle.Decide(c), k.ruleset.Decide(f)
	if uint8(want.Verdict) != uint8(got.Verdict) {
		err = fmt.Errorf("%w: %s, want %s", ErrVerdict, got.Verdict, want.Verdict)
	}
	return errors.Join(err,
		k.direction(c, model.Egress, want.Egress, got.Egress),
		k.direction(c, model.Ingress, want.Ingress, got.Ingress))
}

// end finds e in the ruleset, by name if it has one. A pod or node that is
// found by name has to be found by its address too.
func (k *Checker) end(e oracle.End) (artifact.End, error) {
	var ends []artifact.End
	var err error
	byAddr := k.resolver.Addr(e.Addr)
	switch {
	case e.Pod != nil && e.Pod.StandIn:
		var all [][]artifact.End
		all, err = k.resolver.Workload(e.Pod.Namespace + "/" + e.Pod.Workload)
		if err == nil && len(all) != 1 {
			return byAddr, fmt.Errorf("%w: %s: %d pods", ErrResolve, e, len(all))
		}
		if err == nil {
			ends = all[0]
		}
	case e.Pod != nil:
		ends, err = k.resolver.Pod(e.Pod.Namespace + "/" + e.Pod.Name)
	case e.Node != nil:
		ends, err = k.resolver.Node(e.Node.Name)
	default:
		return byAddr, nil
	}
	if err != nil {
		return byAddr, fmt.Errorf("%w: %s: %w", ErrResolve, e, err)
	}
	i := slices.IndexFunc(ends, func(x artifact.End) bool { return x.Addr == e.Addr })
	if i < 0 {
		return byAddr, fmt.Errorf("%w: %s: no such address in %v", ErrResolve, e, ends)
	}
	if known := e.Pod == nil || !e.Pod.HostNetwork; known && e.Addr.IsValid() && ends[i] != byAddr {
		return byAddr, fmt.Errorf("%w: %s: %v by name, %v by address", ErrResolve, e, ends[i], byAddr)
	}
	return ends[i], nil
}

// bases pairs the two vocabularies.
var bases = map[oracle.Basis]artifact.Basis{
	oracle.ByRule:      artifact.ByClause,
	oracle.ByIsolation: artifact.ByIsolation,
	oracle.ByDefault:   artifact.ByDefault,
	oracle.BySelf:      artifact.BySelf,
	oracle.ByLocalNode: artifact.ByLocalNode,
}

func (k *Checker) direction(c oracle.Connection, dir model.Direction, want *oracle.Decision, got *artifact.Decision) error {
	switch {
	case want == nil && got == nil:
		return nil
	case want == nil:
		return fmt.Errorf("%s: %w: %s where no policy governs", dir, ErrVerdict, got.Verdict)
	case got == nil:
		return fmt.Errorf("%s: %w: none where %s is expected", dir, ErrVerdict, want.Verdict)
	case uint8(want.Verdict) != uint8(got.Verdict):
		return fmt.Errorf("%s: %w: %s by %s, want %s by %s %s %s", dir, ErrVerdict, got.Verdict, k.named(got),
			want.Verdict, want.Basis, want.Policy(), want.Rule())
	case bases[want.Basis] != got.Basis:
		return fmt.Errorf("%s: %w: %s by basis %d %s, want by %s %s %s", dir, ErrReason, got.Verdict, got.Basis,
			k.named(got), want.Basis, want.Policy(), want.Rule())
	}
	if err := k.reasons(c, dir, want, got); err != nil {
		return fmt.Errorf("%s: %w: %s %w", dir, ErrReason, got.Verdict, err)
	}
	return nil
}

// named lists the rules that the artifact gives as reasons.
func (k *Checker) named(d *artifact.Decision) []string {
	var out []string
	for _, id := range d.Rules {
		out = append(out, k.names[id])
	}
	return out
}

// reasons insists that the artifact names the tier, that the rule it names
// first is the one that decides, or as good as it where order means nothing,
// and that isolation names all policies. Further rules say the same, even if
// another rule comes before them.
func (k *Checker) reasons(c oracle.Connection, dir model.Direction, want *oracle.Decision, got *artifact.Decision) error {
	if want.Basis != oracle.ByRule && want.Basis != oracle.ByIsolation {
		return nil
	}
	if kind := k.ruleset.Program.Tiers[got.Tier].Kind; uint8(kind) != uint8(want.Tier) {
		return fmt.Errorf("in tier %s, want %s", kind, want.Tier)
	}
	var valid []string
	for _, b := range want.Because {
		valid = append(valid, k.nameOf[b])
	}
	named := k.named(got)
	if len(named) == 0 {
		return errors.New("without a rule")
	}
	if want.Basis == oracle.ByIsolation {
		slices.Sort(valid)
		slices.Sort(named)
		if !slices.Equal(valid, named) {
			return fmt.Errorf("by isolation of %q, want %q", named, valid)
		}
		return nil
	}
	if want.Tier == model.TierNamespace && !slices.Contains(valid, named[0]) ||
		want.Tier != model.TierNamespace && named[0] != valid[0] {
		return fmt.Errorf("by %q, want %q", named, valid)
	}
	for _, name := range named[1:] {
		if !slices.ContainsFunc(k.rules[ruleKey{dir, want.Tier, name}], func(b oracle.Because) bool {
			return uint8(b.Rule.Verdict) == uint8(got.Verdict) && k.oracle.Covers(c, dir, b)
		}) {
			return fmt.Errorf("by %q, the last of which does not say so", named[:1+slices.Index(named[1:], name)+1])
		}
	}
	return nil
}

// ruleKey names a rule as reasons do.
type ruleKey struct {
	direction model.Direction
	tier      model.Tier
	name      string
}
