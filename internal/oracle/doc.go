// Package oracle says what a snapshot's policies mean for one connection, by
// reading the policies themselves at every question. It is the slow second
// opinion that compiled rulesets are held against: it shares no code with the
// compiler or the artifact, and every branch follows a sentence of the API's
// documentation, named in the comment beside it.
//
// References in comments:
//
//	NP      field documentation of networking.k8s.io/v1 NetworkPolicy (types.go)
//	CNP     field documentation of policy.networking.k8s.io ClusterNetworkPolicy
//	        v1alpha2, AdminNetworkPolicy and BaselineAdminNetworkPolicy v1alpha1,
//	        and that project's API overview
//	KEP     KEP-2091 (cluster-wide policies) and KEP-2079 (endPort)
//	docs    the Kubernetes concept page "Network Policies"
//	Sluice  our own choice where the API leaves one; docs of this project
package oracle
