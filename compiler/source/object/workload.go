package object

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/model"
)

// Pod is a pod with what decides to which workload it belongs.
type Pod struct {
	Model   model.Pod
	Owner   Owner
	Hash    string // label pod-template-hash
	HostIPs []netip.Addr
}

// Workload is a workload with the stand-in for the pods it creates.
type Workload struct {
	Kind    string
	StandIn model.Pod
	Owner   Owner
	Retired bool // an old revision of its owner, scaled to zero
}

func (r *Reader) pod(d *decoder, n *document.Node, _ typeMeta) {
	m := d.metadata(n, "Pod", scope{namespaced: true})
	p := Pod{Owner: m.owner, Hash: m.labels["pod-template-hash"]}
	p.Model = model.Pod{Namespace: m.namespace, Name: m.name, Labels: m.labels, Pos: d.pos(n.At)}
	d.podSpec(&p.Model, d.member(n, "spec"))
	status := d.member(n, "status")
	switch phase := d.member(status, "phase"); phase.PlainText() {
	case "Succeeded", "Failed":
		p.Model.Finished = true
	case "", "Pending", "Running", "Unknown":
	default:
		d.warnf(CodeValue, phase.At, "known: Pending, Running, Succeeded, Failed, Unknown",
			"%q is not a phase: the pod is read as one that runs", phase.Text)
	}
	p.Model.Addresses = d.addresses(status, "podIP", "podIPs")
	p.HostIPs = d.addresses(status, "hostIP", "hostIPs")
	if !d.failed {
		r.Out.Pods = append(r.Out.Pods, p)
	}
}

// addresses reads an address and the list that later took its place.
func (d *decoder) addresses(status *document.Node, single, plural string) []netip.Addr {
	out := d.address(nil, d.member(status, single), single)
	items := d.member(status, plural)
	for i := range d.items(items, plural) {
		out = d.address(out, d.member(&items.Children[i].Value, "ip"), plural)
	}
	return out
}

// podSpec reads what matters of a pod's or a template's spec.
func (d *decoder) podSpec(p *model.Pod, spec *document.Node) {
	p.HostNetwork = d.boolean(d.member(spec, "hostNetwork"), "hostNetwork")
	p.Node, _ = d.text(d.member(spec, "nodeName"), "nodeName")
	containers := d.member(spec, "containers")
	for i := range d.items(containers, "containers") {
		d.containerPorts(p, &containers.Children[i].Value)
	}
	inits := d.member(spec, "initContainers")
	for i := range d.items(inits, "initContainers") {
		c := &inits.Children[i].Value
		// Only those that keep running beside the containers serve anything.
		switch policy := d.member(c, "restartPolicy"); policy.PlainText() {
		case "Always":
			d.containerPorts(p, c)
		case "", "Never", "OnFailure":
		default:
			d.warnf(CodeValue, policy.At, "known: Always, Never, OnFailure",
				"%q is not a restartPolicy: the container is read as one that ends before the others start", policy.Text)
		}
	}
}

func (d *decoder) containerPorts(p *model.Pod, container *document.Node) {
	ports := d.member(container, "ports")
	for i := range d.items(ports, "ports") {
		n := &ports.Children[i].Value
		protocol, known := d.containerProtocol(d.member(n, "protocol"))
		port := model.ContainerPort{Protocol: protocol}
		port.Name, _ = d.text(d.member(n, "name"), "the port's name")
		at := d.member(n, "containerPort")
		number, ok := d.portNumber(at, "containerPort")
		if n.Kind == document.Object && (at == nil || at.Kind == document.Null) {
			d.warnf(CodeValue, n.At, "add containerPort", "the port has no containerPort and is ignored")
		}
		port.Number = number
		if ok && known && !slices.Contains(p.Ports, port) {
			p.Ports = append(p.Ports, port)
		}
	}
}

func (r *Reader) workload(d *decoder, n *document.Node, t typeMeta) {
	m := d.metadata(n, t.kind, scope{namespaced: true})
	spec := d.member(n, "spec")
	w := Workload{Kind: t.kind, Owner: m.owner}
	if t.kind == "ReplicaSet" && m.owner.Name != "" {
		if v, ok := d.number(d.member(spec, "replicas"), "spec.replicas", 0, 1<<31-1); ok && v == 0 {
			w.Retired = true
		}
	}
	if t.kind == "CronJob" {
		spec = d.member(d.member(spec, "jobTemplate"), "spec")
	}
	template := d.member(spec, "template")
	w.StandIn = model.Pod{
		Namespace: m.namespace,
		Name:      m.name,
		Workload:  t.kind + "/" + m.name,
		StandIn:   true,
		Labels:    d.labels(d.member(d.member(template, "metadata"), "labels"), "the template's labels"),
		Pos:       d.pos(n.At),
	}
	d.podSpec(&w.StandIn, d.member(template, "spec"))
	if !d.failed {
		r.Out.Workloads = append(r.Out.Workloads, w)
	}
}
