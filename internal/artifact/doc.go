// Package artifact is the compiled ruleset: its types, its canonical encoding,
// and Decide, its meaning. The compiler writes it, enforcers read it; it knows
// neither selectors nor Rego nor the kernel, and imports only the standard
// library.
//
// docs/artifact.md describes the encoding byte for byte.
package artifact
