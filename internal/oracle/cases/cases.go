// Package cases holds small clusters with connections whose verdicts were
// worked out by hand from the API's documentation: one case for each corner of
// policy semantics. Every evaluator of policies, fast or slow, has to agree
// with all of them.
package cases

import (
	"fmt"

	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
)

// Case is one corner of the semantics.
type Case struct {
	Name        string
	Source      string // where the meaning is written down; numbers are those of the list of corner cases
	Snapshot    *model.Snapshot
	Default     model.Verdict // when no tier decides; zero is Allow
	Connections []Connection
}

// Connection is a question and its answer. A verdict of 0 says that no policy
// governs that end.
type Connection struct {
	oracle.Connection
	Egress  model.Verdict
	Ingress model.Verdict
}

// Verdict is the outcome of both directions.
func (c *Connection) Verdict() model.Verdict {
	if c.Egress == model.Deny || c.Ingress == model.Deny {
		return model.Deny
	}
	return model.Allow
}

// All returns every case, freshly built.
func All() []Case {
	var all []Case
	for _, group := range [][]draft{
		namespaceCases(), portCases(), blockCases(), endCases(), tierCases(), peerCases(),
	} {
		for _, d := range group {
			all = append(all, d.build())
		}
	}
	return all
}

// draft is a case as it is written down: connections as text.
type draft struct {
	name     string
	source   string
	pods     []model.Pod // instead of those of cluster()
	services []model.Service
	policies []model.Policy
	fallback model.Verdict
	asks     []ask
}

// ask is a question with the expected verdict at either end, egress first.
type ask struct {
	connection      string
	egress, ingress model.Verdict
}

const (
	allow      = model.Allow
	deny       = model.Deny
	pass       = model.Pass
	ungoverned = model.Verdict(0)
)

// build turns a draft into a case. What it panics on are mistakes in the
// tables of this package.
func (d draft) build() Case {
	s := cluster()
	if d.pods != nil {
		s.Pods = d.pods
	}
	s.Services = d.services
	s.Policies = d.policies
	c := Case{Name: d.name, Source: d.source, Snapshot: s, Default: d.fallback}
	for _, a := range d.asks {
		q, err := oracle.ParseConnection(s, a.connection)
		if err != nil {
			panic(fmt.Sprintf("case %q: %v", d.name, err))
		}
		c.Connections = append(c.Connections, Connection{q, a.egress, a.ingress})
	}
	return c
}
