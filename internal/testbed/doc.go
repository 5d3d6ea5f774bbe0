// Package testbed builds a small Kubernetes cluster out of network namespaces
// on one Linux machine: nodes, pods and a host outside, with real links,
// routes and packets, and no Kubernetes. The netns tests and the demo run on
// it.
//
//	           outside (router and the rest of the world)
//	              |
//	  ---------switch---------   the underlay, one broadcast domain
//	   |          |         |
//	 node-1     node-2    node-3   forwarding; static routes to the others' pods
//	 |    |     |    |    |    |
//	pod  pod   pod  pod  pod  pod
//
// Pods are wired by the reference CNI plugins, as a kubelet does it, or
// plainly by this package, which is faster and lets tests choose every
// address.
//
// It needs root, or a user namespace (CAP_SYS_ADMIN, CAP_NET_ADMIN and
// CAP_NET_RAW in it) and a writable /proc/sys/net. Everything is in namespaces
// that have no name and live only as long as this process, see package netns;
// on disk there is one temporary directory.
package testbed
