// Package document turns the text of manifests into trees of values that know
// where they stand.
//
// A file is cut into chunks (split.go, splitjson.go), each a document or one
// item of a large list, and each chunk is parsed on its own: documents are
// parsed in parallel, and a broken one hides no others. The library parses
// YAML (yaml.go). JSON has a parser here (json.go), since encoding/json does
// not say where things stand. Both give the same tree (node.go), in which YAML
// scalars have been resolved as kubectl resolves them.
//
// What is in the documents is not known here.
package document
