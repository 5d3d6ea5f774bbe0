// Package manifest writes a snapshot as the Kubernetes manifests that it could
// have been read from, so that generated clusters can go through the whole
// pipeline and failures can be read by people.
//
// It is a plain text writer on purpose: it must not share a mistake with the
// loader that reads its output.
package manifest

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/internal/model"
)

// Write writes s as a multi-document YAML stream. What no manifest can say
// becomes a comment: segment policies, which are written in another language.
func Write(w io.Writer, s *model.Snapshot) error {
	out := &writer{b: bufio.NewWriter(w)}
	for i := range s.Namespaces {
		out.namespace(&s.Namespaces[i])
	}
	for i := range s.Nodes {
		out.node(&s.Nodes[i])
	}
	for i := range s.Pods {
		if p := &s.Pods[i]; p.StandIn {
			out.workload(p)
		} else {
			out.pod(p)
		}
	}
	for i := range s.Services {
		out.service(&s.Services[i])
	}
	for i := range s.Policies {
		switch p := &s.Policies[i]; p.Kind {
		case "NetworkPolicy":
			out.networkPolicy(p)
		case "ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy":
			out.clusterPolicy(p)
		default:
			out.comment(p)
		}
	}
	return out.b.Flush()
}

// writer indents and quotes. Errors surface at Flush.
type writer struct {
	b *bufio.Writer
}

// line writes one line at a depth of two columns each.
func (w *writer) line(depth int, format string, args ...any) {
	for range depth {
		w.b.WriteString("  ")
	}
	fmt.Fprintf(w.b, format, args...)
	w.b.WriteByte('\n')
}

// scalar quotes a name where YAML could take it for something else: a number,
// null, or one of the words for true and false.
func scalar(name string) string {
	if len(name) < 2 || name[0] < 'a' || name[0] > 'z' ||
		slices.Contains([]string{"yes", "no", "on", "off", "true", "false", "null"}, name) {
		return strconv.Quote(name)
	}
	return name
}

// object starts a document.
func (w *writer) object(apiVersion, kind, namespace, name string, labels model.Labels) {
	w.line(0, "---")
	w.line(0, "apiVersion: %s", apiVersion)
	w.line(0, "kind: %s", kind)
	w.line(0, "metadata:")
	w.line(1, "name: %s", scalar(name))
	if namespace != "" {
		w.line(1, "namespace: %s", scalar(namespace))
	}
	w.labels(1, "labels", labels)
}

func (w *writer) labels(depth int, field string, labels model.Labels) {
	if len(labels) == 0 {
		return
	}
	w.line(depth, "%s:", field)
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		w.line(depth+1, "%s: %s", k, strconv.Quote(labels[k]))
	}
}

func (w *writer) namespace(n *model.Namespace) {
	w.object("v1", "Namespace", "", n.Name, n.Labels)
}

func (w *writer) node(n *model.Node) {
	w.object("v1", "Node", "", n.Name, n.Labels)
	if len(n.PodCIDRs) > 0 {
		w.line(0, "spec:")
		w.line(1, "podCIDR: %q", n.PodCIDRs[0])
		w.line(1, "podCIDRs:")
		for _, c := range n.PodCIDRs {
			w.line(1, "- %q", c)
		}
	}
	if len(n.Addresses) > 0 {
		w.line(0, "status:")
		w.line(1, "addresses:")
		for _, a := range n.Addresses {
			w.line(1, "- {type: InternalIP, address: %q}", a)
		}
	}
}

func (w *writer) pod(p *model.Pod) {
	w.object("v1", "Pod", p.Namespace, p.Name, p.Labels)
	if kind, name, _ := strings.Cut(p.Workload, "/"); kind != "Pod" && kind != "" {
		// A Deployment owns its pods through a ReplicaSet, whose name ends in
		// the hash that is also the pods' label.
		if hash := p.Labels["pod-template-hash"]; kind == "Deployment" && hash != "" {
			kind, name = "ReplicaSet", name+"-"+hash
		}
		w.line(1, "ownerReferences:")
		w.line(1, "- {apiVersion: %s, kind: %s, name: %s, uid: %q, controller: true}",
			apiVersionOf(kind), kind, scalar(name), p.Namespace+"-"+name)
	}
	w.line(0, "spec:")
	w.podSpec(1, p)
	if p.Node != "" {
		w.line(1, "nodeName: %s", scalar(p.Node))
	}
	w.line(0, "status:")
	switch {
	case p.Finished:
		w.line(1, "phase: Succeeded")
	case len(p.Addresses) > 0:
		w.line(1, "phase: Running")
	default:
		w.line(1, "phase: Pending")
	}
	if len(p.Addresses) > 0 {
		w.line(1, "podIP: %q", p.Addresses[0])
		w.line(1, "podIPs:")
		for _, a := range p.Addresses {
			w.line(1, "- ip: %q", a)
		}
	}
}

// podSpec writes what a pod and a pod template have in common.
func (w *writer) podSpec(depth int, p *model.Pod) {
	if p.HostNetwork {
		w.line(depth, "hostNetwork: true")
	}
	w.line(depth, "containers:")
	w.line(depth, "- name: main")
	w.line(depth, "  image: example.com/main")
	if len(p.Ports) == 0 {
		return
	}
	w.line(depth, "  ports:")
	for _, c := range p.Ports {
		name := ""
		if c.Name != "" {
			name = "name: " + scalar(c.Name) + ", "
		}
		w.line(depth, "  - {%scontainerPort: %d, protocol: %s}", name, c.Number, c.Protocol)
	}
}

func apiVersionOf(workload string) string {
	switch workload {
	case "Job", "CronJob":
		return "batch/v1"
	case "ReplicationController":
		return "v1"
	default:
		return "apps/v1"
	}
}

// workload writes the object that a stand-in stands for.
func (w *writer) workload(p *model.Pod) {
	kind, name, _ := strings.Cut(p.Workload, "/")
	depth := 2
	switch kind {
	case "Pod":
		w.pod(p)
		return
	case "CronJob":
		depth = 4
	}
	w.object(apiVersionOf(kind), kind, p.Namespace, name, nil)
	w.line(0, "spec:")
	switch kind {
	case "CronJob":
		w.line(1, `schedule: "* * * * *"`)
		w.line(1, "jobTemplate:")
		w.line(2, "spec:")
	case "Job":
	case "ReplicationController":
		w.labels(1, "selector", p.Labels)
	default:
		w.line(1, "selector:")
		w.labels(2, "matchLabels", p.Labels)
	}
	w.line(depth-1, "template:")
	if len(p.Labels) > 0 {
		w.line(depth, "metadata:")
		w.labels(depth+1, "labels", p.Labels)
	}
	w.line(depth, "spec:")
	w.podSpec(depth+1, p)
}

func (w *writer) service(s *model.Service) {
	w.object("v1", "Service", s.Namespace, s.Name, nil)
	w.line(0, "spec:")
	w.labels(1, "selector", s.Selector)
	if len(s.Addresses) > 0 {
		w.line(1, "clusterIP: %q", s.Addresses[0])
		w.line(1, "clusterIPs:")
		for _, a := range s.Addresses {
			w.line(1, "- %q", a)
		}
	}
	if len(s.Ports) == 0 {
		return
	}
	w.line(1, "ports:")
	for _, p := range s.Ports {
		target := strconv.Quote(p.TargetName)
		if p.TargetName == "" {
			target = strconv.Itoa(int(p.TargetPort))
		}
		w.line(1, "- {name: %q, protocol: %s, port: %d, targetPort: %s}", p.Name, p.Protocol, p.Port, target)
	}
}
