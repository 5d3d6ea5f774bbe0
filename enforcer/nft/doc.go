// Package nft turns a ruleset into the nftables table of one node and keeps
// the kernel's table equal to it.
//
// [Render] and [Diff] are pure: the table is a value, with a text form that
// the nft program loads. Kernel, on Linux, loads a table or the difference of
// two in one netlink transaction.
//
// The table's layout:
//
//	forward -+- ct state: established, related accept; invalid -> drop if a pod's
//	input   -+- source in @local -> from: source vmap @egress -> chain of its profile
//	                                      not in the map: drop
//	forward --- destination in @local -> to: the same with @ingress
//
// A profile's chain ends in return (allowed: the base chain goes on to the
// other direction) or in drop. docs/enforcer.md shows how to read it.
package nft
