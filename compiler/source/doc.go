// Package source reads Kubernetes manifests into a model.Snapshot.
//
// It is the only package that knows how manifests are spelled. Package
// document makes each of them a tree of nodes that know their positions, and
// the tree is read once, by hand, into the model (networkpolicy.go,
// inventory.go, workload.go). Documents are
// read in parallel; what needs all of them together (owners, duplicates,
// namespaces and nodes that are only mentioned) happens afterwards in
// assemble.go, in an order that does not depend on scheduling.
//
// Policies are read strictly: what the API server would refuse, and every
// field that it would drop, is an error, because a policy that is silently
// read as something else fails open. Inventory is read leniently: only the
// fields that matter here are looked at.
package source
