package policytest

import (
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/query"
)

// Suite is the outcome of one document, or of another group of tests.
type Suite struct {
	Name    string
	Pos     diag.Pos
	Diags   diag.List // why it was not run
	Results []Result
}

// Result is the outcome of one test.
type Result struct {
	Name       string // as its author calls it; may be empty
	Connection string // "from -> to port"; empty for a test about something else
	Pos        diag.Pos
	Passed     bool
	Want, Got  string
	// What came, for a connection that has an answer.
	Answer *query.Answer
}

// title returns what tells the test from others.
func (r *Result) title() string {
	switch {
	case r.Name == "":
		return r.Connection
	case r.Connection == "":
		return r.Name
	default:
		return r.Name + ": " + r.Connection
	}
}

// Runner answers tests from one ruleset, which must not change.
type Runner struct {
	rs      *artifact.Ruleset
	eval    *query.Evaluator
	touched []bool // by RuleID
}

// NewRunner prepares a runner for rs.
func NewRunner(rs *artifact.Ruleset) *Runner {
	return &Runner{rs: rs, eval: query.New(rs), touched: make([]bool, len(rs.Program.Rules))}
}

// Run answers the tests of a document. One that has findings, or names ends
// that are not there, is not run: its suite has all of these findings.
func (r *Runner) Run(d *Document) Suite {
	s := Suite{Name: d.Name, Pos: d.Pos, Diags: append(diag.List(nil), d.Diags...)}
	for _, p := range d.ends {
		if err := r.eval.Check(p.field, p.end); err != nil {
			f := diag.Diagnostic{Severity: diag.Error, Pos: p.pos, Message: err.Error()}
			if d.Name != "" {
				f.Object = kind + "/" + d.Name
			}
			s.Diags.Add(f)
		}
	}
	s.Diags.Sort()
	if len(s.Diags) > 0 {
		return s
	}
	for i := range d.connections {
		s.Results = append(s.Results, r.connection(&d.connections[i]))
	}
	return s
}

func (r *Runner) connection(c *connection) Result {
	out := Result{Name: c.name, Connection: c.String(), Pos: c.pos, Want: c.want()}
	all, err := r.eval.Results(c.query)
	if err != nil {
		out.Got = "no answer: " + err.Error()
		return out
	}
	// The pods of a workload get one verdict, perhaps from different rules.
	shown := all[0]
	out.Passed = true
	for _, res := range all {
		for _, d := range deciding(res) {
			for _, id := range d.Rules {
				r.touched[id] = true
			}
		}
		if out.Passed && !r.meets(c, res) {
			out.Passed, shown = false, res
		}
	}
	out.Got = r.got(shown)
	out.Answer = &query.Answer{
		Verdict: shown.Verdict.String(),
		Egress:  r.eval.Describe(shown.Egress),
		Ingress: r.eval.Describe(shown.Ingress),
	}
	return out
}

// deciding returns the decisions that the verdict rests on: both for one that
// allows, those that deny for one that does not.
func deciding(res artifact.Result) []*artifact.Decision {
	var out []*artifact.Decision
	for _, d := range []*artifact.Decision{res.Egress, res.Ingress} {
		if d != nil && d.Verdict == res.Verdict {
			out = append(out, d)
		}
	}
	return out
}

// meets reports whether the result is what the test asks for: the verdict, and
// one deciding end with both the policy and the tier.
func (r *Runner) meets(c *connection, res artifact.Result) bool {
	if res.Verdict != c.expect {
		return false
	}
	if c.policy == "" && c.tier == "" {
		return true
	}
	for _, d := range deciding(res) {
		if (c.tier == "" || c.tier == r.eval.Describe(d).Tier) && (c.policy == "" || r.by(d, c)) {
			return true
		}
	}
	return false
}

func (r *Runner) by(d *artifact.Decision, c *connection) bool {
	for _, id := range d.Rules {
		rule := &r.rs.Program.Rules[id]
		if rule.Policy() == c.policy && (c.rule == "" || rule.ID == c.rule) {
			return true
		}
	}
	return false
}

func (c *connection) want() string {
	s := c.expect.String()
	if c.policy != "" {
		s += " by " + strings.TrimSpace(c.policy+" "+c.rule)
	}
	if c.tier != "" {
		s += " in tier " + c.tier
	}
	return s
}

// got says what came and by which rules.
func (r *Runner) got(res artifact.Result) string {
	var parts []string
	for _, x := range []struct {
		name string
		d    *artifact.Decision
	}{{"egress", res.Egress}, {"ingress", res.Ingress}} {
		if x.d == nil || x.d.Verdict != res.Verdict {
			continue
		}
		by := r.eval.Describe(x.d).Tier
		if len(x.d.Rules) > 0 {
			var rules []string
			for _, id := range x.d.Rules {
				rule := &r.rs.Program.Rules[id]
				rules = append(rules, fmt.Sprintf("%s %s (%s)", rule.Policy(), rule.ID, rule.Source()))
			}
			by = strings.Join(rules, " and ")
		}
		parts = append(parts, x.name+" by "+by)
	}
	if len(parts) == 0 {
		parts = []string{"neither end is a pod that policies govern"}
	}
	return res.Verdict.String() + ", " + strings.Join(parts, ", ")
}
