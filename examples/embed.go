// Package examples has the example manifests, for the demo and for tests.
package examples

import "embed"

// FS holds the examples, each in a directory of its own.
//
//go:embed shop shop-changes shop-segments
var FS embed.FS
