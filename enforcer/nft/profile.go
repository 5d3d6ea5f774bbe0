package nft

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/sluice-net/sluice/internal/artifact"
)

// profile returns the verdict that hands over to the profile: goto its chain,
// or what allows if it has nothing to say.
func (r *renderer) profile(k profileKey) (Verdict, error) {
	if v, ok := r.profiles[k]; ok {
		return v, nil
	}
	rules, err := r.tiers(k, r.rs.Program.Profiles[k.profile].Tiers)
	if err != nil {
		return Verdict{}, err
	}
	v, err := r.handOver(k, k.dir.String()+k.fam.digit()+"_", rules)
	if err != nil {
		return Verdict{}, err
	}
	r.profiles[k] = v
	return v, nil
}

// allow returns the verdict for what this direction allows: from egress the
// packet goes on to the destination's ingress, which has the last word.
func (k profileKey) allow() Verdict {
	if k.dir == artifact.Egress {
		return Verdict{Kind: Return}
	}
	return Verdict{Kind: Accept}
}

// handOver returns the verdict that goes on with the rules.
func (r *renderer) handOver(k profileKey, prefix string, rules []Rule) (Verdict, error) {
	if len(rules) == 0 {
		return k.allow(), nil
	}
	name, err := r.hashed(prefix, fmt.Sprintf("%+v", rules))
	if err != nil {
		return Verdict{}, err
	}
	if r.table.Chains[name] == nil {
		r.addChain(&Chain{Name: name, Rules: rules})
	}
	return Verdict{Kind: Goto, Chain: name}, nil
}

// hashed returns the name of a set or chain with this content: the
// prefix and 16 hexadecimal digits of the content's hash.
func (r *renderer) hashed(prefix, content string) (string, error) {
	sum := sha256.Sum256([]byte(content))
	name := prefix + hex.EncodeToString(sum[:8])
	if was, ok := r.defined[name]; ok && was != sum {
		return "", fmt.Errorf("two different contents hash to the name %s", name)
	}
	r.defined[name] = sum
	return name, nil
}

// tiers returns the rules for what the tiers say, one after the other. Falling
// off their end means allowed.
func (r *renderer) tiers(k profileKey, tiers []artifact.TierID) ([]Rule, error) {
	if len(tiers) == 0 {
		if r.rs.Header.Default == artifact.Deny {
			return []Rule{{Counter: true, Verdict: Verdict{Kind: Drop}, Comment: "denied by default: no tier decides"}}, nil
		}
		return nil, nil
	}
	t := &r.rs.Program.Tiers[tiers[0]]
	rest, err := r.tiers(k, tiers[1:])
	if err != nil {
		return nil, err
	}
	pass := Verdict{} // of the clauses that pass; made when the first needs it

	var rules []Rule
	for _, c := range r.runs(t) {
		conds, err := r.fold(k, c)
		if err != nil {
			return nil, err
		}
		v := k.allow()
		switch c.verdict {
		case artifact.Allow:
		case artifact.Deny:
			v = Verdict{Kind: Drop}
		case artifact.Pass:
			if len(conds) > 0 && len(conds[0].match) == 0 {
				return k.trim(append(rules, rest...)), nil
			}
			if pass.Kind == NoVerdict && len(conds) > 0 {
				prefix := fmt.Sprintf("%v%s_after_%v_", k.dir, k.fam.digit(), t.Kind)
				if pass, err = r.handOver(k, prefix, rest); err != nil {
					return nil, err
				}
			}
			v = pass
		}
		for _, cond := range conds {
			rules = append(rules, Rule{
				Match: cond.match, Counter: v.Kind == Drop, Verdict: v,
				Comment: policyComment(r.rs, t.Kind.String()+": ", cond.rules),
			})
			if len(cond.match) == 0 {
				return k.trim(rules), nil // nothing gets past it
			}
		}
	}
	switch {
	case t.End == artifact.Deny:
		rules = append(rules, Rule{
			Counter: true, Verdict: Verdict{Kind: Drop},
			Comment: policyComment(r.rs, t.Kind.String()+": isolated by ", t.EndRules),
		})
	case pass.Kind == Goto:
		rules = append(rules, Rule{Verdict: pass})
	default:
		rules = append(rules, rest...)
	}
	return k.trim(rules), nil
}

// trim drops rules that allow at the end of a chain: that is what happens there
// anyway.
func (k profileKey) trim(rules []Rule) []Rule {
	for len(rules) > 0 && rules[len(rules)-1].Verdict == k.allow() {
		rules = rules[:len(rules)-1]
	}
	return rules
}

// run is neighbouring clauses of a tier with the same verdict: which of them
// matches makes no difference.
type run struct {
	verdict artifact.Verdict
	clauses []artifact.ClauseID
}

// runs splits a tier, leaving out clauses that can match nothing.
func (r *renderer) runs(t *artifact.Tier) []run {
	var out []run
	for _, id := range t.Clauses {
		c := &r.rs.Program.Clauses[id]
		if n := len(out); n > 0 && out[n-1].verdict == c.Verdict {
			out[n-1].clauses = append(out[n-1].clauses, id)
		} else {
			out = append(out, run{c.Verdict, []artifact.ClauseID{id}})
		}
	}
	return out
}

// ruleIDs returns the provenance of clauses, each rule once.
func (r *renderer) ruleIDs(clauses []artifact.ClauseID) []artifact.RuleID {
	var out []artifact.RuleID
	seen := make(map[artifact.RuleID]bool)
	for _, id := range clauses {
		for _, rule := range r.rs.Program.Clauses[id].Rules {
			if !seen[rule] {
				seen[rule] = true
				out = append(out, rule)
			}
		}
	}
	return out
}
