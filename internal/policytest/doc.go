// Package policytest runs unit tests of policies: PolicyTest documents, which
// say for connections what a compiled ruleset must decide, and by which policy.
//
// Parse (parse.go, table.go) finds and reads the documents of a file; a Runner
// (run.go) answers them from a ruleset and keeps account of the rules that the
// answers rested on (coverage.go); a Report is written as text, JSON or JUnit
// XML (report.go, junit.go). Suites that come from elsewhere are appended to
// the report and count as all others. docs/test.md describes the format.
package policytest
