// Package rego compiles segment rules, written in Rego, to model policies of
// the segment tier. It is the only importer of OPA.
//
// [Load] reads modules, data files and bundles. [Modules.Compile] takes each
// rule of the sets allow, deny and pass in package sluice.segments through
//
//	partial   OPA's partial evaluation, with the connection unknown
//	residual  what is left, translated form by form to a formula over the
//	          labels, kinds and addresses of both ends, protocol and port;
//	          a form that is not on the list is refused
//	emit      each alternative of the formula as rules of model policies
//	validate  the policies' answers compared with full evaluation of the
//	          original rule on generated connections
//
// A rule compiles exactly or not at all; docs/segments.md says what compiles,
// docs/adr/0005-segment-rules.md why it is done this way.
//
// [Evaluator] is the meaning that a compile is held to: ordinary evaluation of
// the modules for one connection.
package rego
