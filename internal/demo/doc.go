// Package demo runs the whole product on one machine: a small shop on three
// nodes that are network namespaces, its policies compiled, sluiced enforcing
// them on every node, and each pair of workloads probed with real packets,
// what was seen held against what the artifact says. Then it changes policies
// while all that runs.
package demo
