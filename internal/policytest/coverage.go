package policytest

import (
	"fmt"
	"io"
	"math"

	"github.com/sluice-net/sluice/internal/query"
)

// Coverage says which rules of a ruleset some test's verdict rested on.
type Coverage struct {
	Rules     int        `json:"rules"`
	Tested    int        `json:"tested"`
	Percent   float64    `json:"percent"` // rounded down to one decimal
	NotTested []Untested `json:"notTested"`
}

// Untested is a rule that no verdict rested on.
type Untested struct {
	Direction string `json:"direction"`
	query.Source
}

// Coverage returns that of what has been run so far.
func (r *Runner) Coverage() *Coverage {
	c := &Coverage{Rules: len(r.touched), Percent: 100, NotTested: []Untested{}}
	for id, touched := range r.touched {
		if touched {
			c.Tested++
			continue
		}
		rule := &r.rs.Program.Rules[id]
		c.NotTested = append(c.NotTested, Untested{
			rule.Direction.String(), query.Source{Policy: rule.Policy(), Rule: rule.ID, Source: rule.Source()},
		})
	}
	if c.Rules > 0 {
		// Rounded down: what is not complete must not look so.
		c.Percent = math.Floor(1000*float64(c.Tested)/float64(c.Rules)) / 10
	}
	return c
}

// Below reports whether less than a percentage was tested.
func (c *Coverage) Below(percent float64) bool {
	return c.Rules > 0 && 100*float64(c.Tested) < percent*float64(c.Rules)
}

// Write writes the coverage as text.
func (c *Coverage) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "coverage: %.1f%%, %d of %d rules\n", c.Percent, c.Tested, c.Rules)
	for _, s := range c.NotTested {
		if err == nil {
			_, err = fmt.Fprintf(w, "  not tested, %s: %s %s (%s)\n", s.Direction, s.Policy, s.Rule, s.Source.Source)
		}
	}
	return err
}
