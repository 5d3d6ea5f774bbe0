// Package object reads Kubernetes objects, one at a time, out of documents and
// into the model.
//
// It is the only package that knows how manifests are spelled. dispatch.go
// tells from apiVersion and kind what a document is; policies are read in
// networkpolicy.go and clusterpolicy.go, what the cluster consists of in
// inventory.go and workload.go, all by way of decoder.go, which collects what
// is wrong and carries on.
//
// Policies are read strictly: what the API server would refuse, and every
// field that it would drop, is an error, because a policy that is silently
// read as something else fails open. Inventory is read leniently: only the
// fields that matter here are looked at, and a mistake that leaves an object's
// part in policies certain is a warning.
package object
