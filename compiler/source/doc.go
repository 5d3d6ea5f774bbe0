// Package source reads Kubernetes manifests into a model.Snapshot.
//
// It finds the files (files.go) and has their documents read in parallel:
// package document makes trees of the text, package object makes objects of
// the model of the trees. What needs all objects together (owners, duplicates,
// namespaces and nodes that are only mentioned) happens afterwards in
// assemble.go, in an order that does not depend on scheduling.
package source
