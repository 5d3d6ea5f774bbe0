// Package compiler turns a model.Snapshot into an artifact.Ruleset.
//
// The stages, each a function from one value to the next:
//
//	resolve   pods become classes that no policy can tell apart; selectors are
//	          evaluated on classes, through an index, each distinct one once
//	lower     each class gets its tiers of clauses: peers become groups or
//	          address blocks, named ports become numbers
//	minimise  clauses that can never decide are dropped, equal ones joined
//	emit      the artifact's tables, with identifiers in canonical order
//
// Cost grows with policies + pods + the memberships that selectors really
// have; nothing is done for each pair of pods or each pod and policy.
package compiler
