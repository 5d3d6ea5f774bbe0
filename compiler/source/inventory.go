package source

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/internal/model"
)

// inventoryKinds are the kinds that tell what the cluster consists of.
var inventoryKinds = []string{
	"Namespace", "Node", "Pod", "Service",
	"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "ReplicationController",
}

// inventoryReader returns what reads documents of the type, or nil. Workloads
// are read in every version of their group: what matters here has never
// changed.
func (r *reader) inventoryReader(t typeMeta) func(*decoder, *node, typeMeta) {
	switch t.group() {
	case groupCore:
		if t.version() != "v1" {
			return nil
		}
		switch t.kind {
		case "Namespace":
			return r.namespace
		case "Node":
			return r.node
		case "Pod":
			return r.pod
		case "Service":
			return r.service
		case "ReplicationController":
			return r.workload
		}
	case groupApps, groupExtensions:
		switch t.kind {
		case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet":
			return r.workload
		}
	case groupBatch:
		switch t.kind {
		case "Job", "CronJob":
			return r.workload
		}
	}
	return nil
}

func (r *reader) namespace(d *decoder, n *node, _ typeMeta) {
	m := d.metadata(n, "Namespace", scope{label: true})
	if d.failed {
		return
	}
	// The API server sets this label and lets nobody change it.
	if m.labels == nil {
		m.labels = model.Labels{}
	}
	m.labels[model.NamespaceNameLabel] = m.name
	r.out.Namespaces = append(r.out.Namespaces, model.Namespace{Name: m.name, Labels: m.labels, Pos: d.pos(n.at)})
}

func (r *reader) node(d *decoder, n *node, _ typeMeta) {
	m := d.metadata(n, "Node", scope{})
	out := model.Node{Name: m.name, Labels: m.labels, Pos: d.pos(n.at)}
	addresses := d.member(d.member(n, "status"), "addresses")
	for i := range d.items(addresses, "status.addresses") {
		item := &addresses.children[i].value
		switch d.member(item, "type").plain() {
		case "InternalIP", "ExternalIP":
			out.Addresses = d.address(out.Addresses, d.member(item, "address"), "the node address")
		}
	}
	spec := d.member(n, "spec")
	out.PodCIDRs = d.podCIDR(out.PodCIDRs, d.member(spec, "podCIDR"))
	cidrs := d.member(spec, "podCIDRs")
	for i := range d.items(cidrs, "spec.podCIDRs") {
		out.PodCIDRs = d.podCIDR(out.PodCIDRs, &cidrs.children[i].value)
	}
	if !d.failed {
		r.out.Nodes = append(r.out.Nodes, out)
	}
}

// podCIDR appends the prefix in n, if there is one and it is new.
func (d *decoder) podCIDR(list []netip.Prefix, n *node) []netip.Prefix {
	if n == nil || n.kind == null || n.kind == text && n.text == "" {
		return list
	}
	if p, ok := d.prefix(n, "podCIDR"); ok && !slices.Contains(list, p) {
		list = append(list, p)
	}
	return list
}

// member returns a field of an object that may be absent or null, and reports
// an n that is something else.
func (d *decoder) member(n *node, key string) *node {
	if n == nil || n.kind == null {
		return nil
	}
	if n.kind != object {
		d.wrongType(n, "the value that should hold "+key, "a mapping")
		return nil
	}
	return n.get(key)
}

// plain returns the text of a string node, or "".
func (n *node) plain() string {
	if n != nil && n.kind == text {
		return n.text
	}
	return ""
}

// address appends the address in n, if there is one and it is new.
func (d *decoder) address(list []netip.Addr, n *node, what string) []netip.Addr {
	s, ok := d.text(n, what)
	if !ok || s == "" {
		return list
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		d.errorf(codeValue, n.at, "", "%s %q is not an IP address", what, s)
		return list
	}
	if addr = addr.Unmap(); !slices.Contains(list, addr) {
		list = append(list, addr)
	}
	return list
}

func (r *reader) service(d *decoder, n *node, _ typeMeta) {
	m := d.metadata(n, "Service", scope{namespaced: true})
	out := model.Service{Namespace: m.namespace, Name: m.name, Pos: d.pos(n.at)}
	spec := d.member(n, "spec")
	out.Selector = d.labels(d.member(spec, "selector"), "spec.selector")
	out.Addresses = d.clusterIP(out.Addresses, d.member(spec, "clusterIP"))
	for _, key := range []string{"clusterIPs", "externalIPs"} {
		ips := d.member(spec, key)
		for i := range d.items(ips, "spec."+key) {
			out.Addresses = d.clusterIP(out.Addresses, &ips.children[i].value)
		}
	}
	ingress := d.member(d.member(d.member(n, "status"), "loadBalancer"), "ingress")
	for i := range d.items(ingress, "status.loadBalancer.ingress") {
		out.Addresses = d.address(out.Addresses, d.member(&ingress.children[i].value, "ip"), "the load balancer address")
	}
	ports := d.member(spec, "ports")
	for i := range d.items(ports, "spec.ports") {
		out.Ports = append(out.Ports, d.servicePort(&ports.children[i].value))
	}
	if !d.failed {
		r.out.Services = append(r.out.Services, out)
	}
}

func (d *decoder) clusterIP(list []netip.Addr, n *node) []netip.Addr {
	if n.plain() == "None" {
		return list // headless
	}
	return d.address(list, n, "the service address")
}

func (d *decoder) servicePort(n *node) model.ServicePort {
	p := model.ServicePort{Protocol: d.containerProtocol(d.member(n, "protocol"))}
	p.Name, _ = d.text(d.member(n, "name"), "the port's name")
	number, _ := d.number(d.member(n, "port"), "port", 1, 65535)
	p.Port = uint16(number)
	switch target := d.member(n, "targetPort"); {
	case target == nil || target.kind == null:
		p.TargetPort = p.Port
	case target.kind == text:
		p.TargetName = target.text
	default:
		// 0 is what an API server makes of an empty one: the same as port.
		v, _ := d.number(target, "targetPort", 0, 65535)
		if p.TargetPort = uint16(v); v == 0 {
			p.TargetPort = p.Port
		}
	}
	return p
}

// containerProtocol reads the protocol of a container or service port.
func (d *decoder) containerProtocol(n *node) model.Protocol {
	s, ok := d.text(n, "protocol")
	if !ok || s == "" {
		return model.TCP
	}
	p, known := protocols[s]
	if !known {
		d.errorf(codeValue, n.at, "known: TCP, UDP, SCTP", "%q is not the protocol of a port", s)
	}
	return p
}
