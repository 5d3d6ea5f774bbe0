package object

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/model"
)

// InventoryKinds are the kinds that tell what the cluster consists of.
var InventoryKinds = []string{
	"Namespace", "Node", "Pod", "Service",
	"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "ReplicationController",
}

// inventoryReader returns what reads documents of the type, or nil. Workloads
// are read in every version of their group: what matters here has never
// changed.
func (r *Reader) inventoryReader(t typeMeta) func(*decoder, *document.Node, typeMeta) {
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

func (r *Reader) namespace(d *decoder, n *document.Node, _ typeMeta) {
	m := d.metadata(n, "Namespace", scope{label: true})
	if d.failed {
		return
	}
	// The API server sets this label and lets nobody change it.
	if m.labels == nil {
		m.labels = model.Labels{}
	}
	m.labels[model.NamespaceNameLabel] = m.name
	r.Out.Namespaces = append(r.Out.Namespaces, model.Namespace{Name: m.name, Labels: m.labels, Pos: d.pos(n.At)})
}

func (r *Reader) node(d *decoder, n *document.Node, _ typeMeta) {
	m := d.metadata(n, "Node", scope{})
	out := model.Node{Name: m.name, Labels: m.labels, Pos: d.pos(n.At)}
	addresses := d.member(d.member(n, "status"), "addresses")
	for i := range d.items(addresses, "status.addresses") {
		item := &addresses.Children[i].Value
		switch d.member(item, "type").PlainText() {
		case "InternalIP", "ExternalIP":
			out.Addresses = d.address(out.Addresses, d.member(item, "address"), "the node address")
		}
	}
	spec := d.member(n, "spec")
	out.PodCIDRs = d.podCIDR(out.PodCIDRs, d.member(spec, "podCIDR"))
	cidrs := d.member(spec, "podCIDRs")
	for i := range d.items(cidrs, "spec.podCIDRs") {
		out.PodCIDRs = d.podCIDR(out.PodCIDRs, &cidrs.Children[i].Value)
	}
	if !d.failed {
		r.Out.Nodes = append(r.Out.Nodes, out)
	}
}

// podCIDR appends the prefix in n, if there is one and it is new.
func (d *decoder) podCIDR(list []netip.Prefix, n *document.Node) []netip.Prefix {
	if n == nil || n.Kind == document.Null || n.Kind == document.Text && n.Text == "" {
		return list
	}
	if p, ok := d.prefix(n, "podCIDR"); ok && !slices.Contains(list, p) {
		list = append(list, p)
	}
	return list
}

// member returns a field of an object that may be absent or null, and reports
// an n that is something else.
func (d *decoder) member(n *document.Node, key string) *document.Node {
	if n == nil || n.Kind == document.Null {
		return nil
	}
	if n.Kind != document.Object {
		d.wrongType(n, "the value that should hold "+key, "a mapping")
		return nil
	}
	return n.Get(key)
}

// address appends the address in n, if there is one and it is new.
func (d *decoder) address(list []netip.Addr, n *document.Node, what string) []netip.Addr {
	s, ok := d.text(n, what)
	if !ok || s == "" {
		return list
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		d.errorf(CodeValue, n.At, "", "%s %q is not an IP address", what, s)
		return list
	}
	if addr = addr.Unmap(); !slices.Contains(list, addr) {
		list = append(list, addr)
	}
	return list
}

func (r *Reader) service(d *decoder, n *document.Node, _ typeMeta) {
	m := d.metadata(n, "Service", scope{namespaced: true})
	out := model.Service{Namespace: m.namespace, Name: m.name, Pos: d.pos(n.At)}
	spec := d.member(n, "spec")
	out.Selector = d.labels(d.member(spec, "selector"), "spec.selector")
	out.Addresses = d.clusterIP(out.Addresses, d.member(spec, "clusterIP"))
	for _, key := range []string{"clusterIPs", "externalIPs"} {
		ips := d.member(spec, key)
		for i := range d.items(ips, "spec."+key) {
			out.Addresses = d.clusterIP(out.Addresses, &ips.Children[i].Value)
		}
	}
	ingress := d.member(d.member(d.member(n, "status"), "loadBalancer"), "ingress")
	for i := range d.items(ingress, "status.loadBalancer.ingress") {
		out.Addresses = d.address(out.Addresses, d.member(&ingress.Children[i].Value, "ip"), "the load balancer address")
	}
	ports := d.member(spec, "ports")
	for i := range d.items(ports, "spec.ports") {
		if p, ok := d.servicePort(&ports.Children[i].Value); ok {
			out.Ports = append(out.Ports, p)
		}
	}
	if !d.failed {
		r.Out.Services = append(r.Out.Services, out)
	}
}

func (d *decoder) clusterIP(list []netip.Addr, n *document.Node) []netip.Addr {
	if n.PlainText() == "None" {
		return list // headless
	}
	return d.address(list, n, "the service address")
}

func (d *decoder) servicePort(n *document.Node) (model.ServicePort, bool) {
	p := model.ServicePort{}
	var known, ok bool
	p.Protocol, known = d.containerProtocol(d.member(n, "protocol"))
	p.Name, _ = d.text(d.member(n, "name"), "the port's name")
	p.Port, ok = d.portNumber(d.member(n, "port"), "port")
	switch target := d.member(n, "targetPort"); {
	case target == nil || target.Kind == document.Null:
		p.TargetPort = p.Port
	case target.Kind == document.Text:
		p.TargetName = target.Text
	default:
		// 0 is what an API server makes of an empty one: the same as port.
		v, _ := d.number(target, "targetPort", 0, 65535)
		if p.TargetPort = uint16(v); v == 0 {
			p.TargetPort = p.Port
		}
	}
	return p, ok && known
}

// portNumber reads the number of a container or service port. One that no port
// can have is reported, and the port is as good as not there.
func (d *decoder) portNumber(n *document.Node, what string) (uint16, bool) {
	if n != nil && n.Kind == document.Integer {
		if v := n.Int64(); v < 1 || v > 65535 {
			d.warnf(CodeValue, n.At, "", "%s is %s, and must be between 1 and 65535: the port is ignored", what, n.Text)
			return 0, false
		}
	}
	v, ok := d.number(n, what, 1, 65535)
	return uint16(v), ok
}

// containerProtocol reads the protocol of a container or service port, and
// reports false for one that no port can have.
func (d *decoder) containerProtocol(n *document.Node) (model.Protocol, bool) {
	s, ok := d.text(n, "protocol")
	if !ok || s == "" {
		return model.TCP, ok
	}
	p, known := protocols[s]
	if !known {
		d.warnf(CodeValue, n.At, "known: TCP, UDP, SCTP", "%q is not the protocol of a port: the port is ignored", s)
	}
	return p, known
}
