// Package netns makes network namespaces that have no name.
//
// A namespace lives as long as something refers to it: a file descriptor, a
// socket or a process. Here that is one descriptor of this process, so that
// nothing is left behind when the process ends, in whatever way. Programs that
// want a path (CNI plugins, nsenter) get /proc/PID/fd/N; nothing is mounted.
package netns
