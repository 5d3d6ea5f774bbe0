// Package netns tests Sluice with real packets, between nodes and pods that
// are network namespaces. It needs root or a user namespace, and skips with
// the reason where it has neither.
package netns
