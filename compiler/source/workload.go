package source

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/model"
)

// podRecord is a pod with what decides to which workload it belongs.
type podRecord struct {
	pod     model.Pod
	owner   ownerRef
	hash    string // label pod-template-hash
	hostIPs []netip.Addr
}

// workloadRecord is a workload with the stand-in for the pods it creates.
type workloadRecord struct {
	kind    string
	standIn model.Pod
	owner   ownerRef
	retired bool // an old revision of its owner, scaled to zero
}

func (r *reader) pod(d *decoder, n *document.Node, _ typeMeta) {
	m := d.metadata(n, "Pod", scope{namespaced: true})
	p := podRecord{owner: m.owner, hash: m.labels["pod-template-hash"]}
	p.pod = model.Pod{Namespace: m.namespace, Name: m.name, Labels: m.labels, Pos: d.pos(n.At)}
	d.podSpec(&p.pod, d.member(n, "spec"))
	status := d.member(n, "status")
	switch phase := d.member(status, "phase"); phase.PlainText() {
	case "Succeeded", "Failed":
		p.pod.Finished = true
	case "", "Pending", "Running", "Unknown":
	default:
		d.warnf(codeValue, phase.At, "known: Pending, Running, Succeeded, Failed, Unknown",
			"%q is not a phase: the pod is read as one that runs", phase.Text)
	}
	p.pod.Addresses = d.addresses(status, "podIP", "podIPs")
	p.hostIPs = d.addresses(status, "hostIP", "hostIPs")
	if !d.failed {
		r.out.pods = append(r.out.pods, p)
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
			d.warnf(codeValue, policy.At, "known: Always, Never, OnFailure",
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
			d.warnf(codeValue, n.At, "add containerPort", "the port has no containerPort and is ignored")
		}
		port.Number = number
		if ok && known && !slices.Contains(p.Ports, port) {
			p.Ports = append(p.Ports, port)
		}
	}
}

func (r *reader) workload(d *decoder, n *document.Node, t typeMeta) {
	m := d.metadata(n, t.kind, scope{namespaced: true})
	spec := d.member(n, "spec")
	w := workloadRecord{kind: t.kind, owner: m.owner}
	if t.kind == "ReplicaSet" && m.owner.name != "" {
		if v, ok := d.number(d.member(spec, "replicas"), "spec.replicas", 0, 1<<31-1); ok && v == 0 {
			w.retired = true
		}
	}
	if t.kind == "CronJob" {
		spec = d.member(d.member(spec, "jobTemplate"), "spec")
	}
	template := d.member(spec, "template")
	w.standIn = model.Pod{
		Namespace: m.namespace,
		Name:      m.name,
		Workload:  t.kind + "/" + m.name,
		StandIn:   true,
		Labels:    d.labels(d.member(d.member(template, "metadata"), "labels"), "the template's labels"),
		Pos:       d.pos(n.At),
	}
	d.podSpec(&w.standIn, d.member(template, "spec"))
	if !d.failed {
		r.out.workloads = append(r.out.workloads, w)
	}
}
