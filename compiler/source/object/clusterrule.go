package object

import (
	"fmt"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/model"
)

// clusterSection reads the rules of one direction, and the names that they
// give themselves. Without rules a policy leaves the direction alone.
func (d *decoder) clusterSection(n *document.Node, dir model.Direction, k *clusterKind, at document.Place) (model.Section, []string) {
	s := model.Section{Pos: d.pos(at)}
	items := d.items(n, dir.String())
	d.atMost(n, len(items), k.most, dir.String())
	names := make([]string, len(items))
	for i := range items {
		var r model.Rule
		r, names[i] = d.clusterRule(&items[i].Value, dir, k)
		s.Rules = append(s.Rules, r)
	}
	s.Applies = len(s.Rules) > 0
	return s, names
}

func (d *decoder) atMost(n *document.Node, count, most int, what string) {
	if count > most {
		d.errorf(CodeValue, n.At, "split it", "%s has %d items, and may have at most %d", what, count, most)
	}
}

// clusterRule reads one rule of a cluster-wide policy. Its peers must be
// there; without ports it is about all traffic.
func (d *decoder) clusterRule(n *document.Node, dir model.Direction, k *clusterKind) (model.Rule, string) {
	r := model.Rule{Pos: d.pos(n.At)}
	what := "an " + dir.String() + " rule"
	peers, other := "from", "to"
	if dir == model.Egress {
		peers, other = other, peers
	}
	var name string
	var from, ports *document.Node
	for i, f := range d.fields(n, what) {
		v := &n.Children[i].Value
		switch f.Key {
		case "name":
			name, _ = d.text(v, "name")
			if utf8.RuneCountInString(name) > 100 {
				d.errorf(CodeValue, v.At, "", "a rule's name may have at most 100 characters")
			}
		case "action":
			r.Verdict = d.action(v, k)
		case peers:
			from = v
		case k.ports:
			ports = v
		case other:
			d.errorf(CodeUnknown, f.At, fmt.Sprintf("%s rules name their peers with %q", dir, peers), "unknown field %q in %s", other, what)
		default:
			d.unknown(&n.Children[i], what, "name", "action", peers, k.ports)
		}
	}
	if n.Kind == document.Object || n.Kind == document.Null {
		d.require(n, "action", what)
		d.require(n, peers, what)
	}
	d.clusterPeers(&r, from, dir, k, peers)
	d.clusterPorts(&r, ports, k)
	d.namesWithoutPods(&r, ports)
	return r, name
}

func (d *decoder) action(n *document.Node, k *clusterKind) model.Verdict {
	known := []string{k.allow, "Deny"}
	if k.pass {
		known = append(known, "Pass")
	}
	s, ok := d.text(n, "action")
	switch {
	case !ok || n.Kind == document.Null:
	case s == k.allow:
		return model.Allow
	case s == "Deny":
		return model.Deny
	case s == "Pass" && k.pass:
		return model.Pass
	case s == "Allow" || s == "Accept":
		d.errorf(CodeValue, n.At, "write "+k.allow, "%q is no action of %s", s, k.kind)
	default:
		d.errorf(CodeValue, n.At, didYouMean(s, known...), "%q is no action of %s", s, k.kind)
	}
	return 0
}

func (d *decoder) clusterPeers(r *model.Rule, n *document.Node, dir model.Direction, k *clusterKind, what string) {
	items := d.items(n, what)
	if n != nil && n.Kind == document.List && len(items) == 0 {
		d.errorf(CodePeer, n.At, "for every pod write - namespaces: {}", "%s is empty, and must have at least one item", what)
	}
	d.atMost(n, len(items), k.most, what)
	known := []string{"namespaces", "pods"}
	if dir == model.Egress {
		known = append(known, "nodes", "networks")
		if k.domains {
			known = append(known, "domainNames")
		}
	}
	for i := range items {
		v := &items[i].Value
		f := d.one(v, "a peer", CodePeer, known...)
		if f == nil {
			continue
		}
		p := model.Peer{Kind: model.PeerPods, Pos: d.pos(v.At)}
		switch f.Key {
		case "namespaces":
			p.Namespaces.Selector = d.namespaceSelector(&f.Value)
		case "pods":
			p.Namespaces.Selector, p.Pods = d.namespacedPod(&f.Value, k)
		case "nodes":
			p.Kind, p.Nodes = model.PeerNodes, d.selector(&f.Value, "nodes")
		case "networks":
			r.Peers = append(r.Peers, d.networks(&f.Value)...)
			continue
		case "domainNames":
			if r.Verdict != model.Allow && r.Verdict != 0 {
				d.errorf(CodeDomainAction, f.At, "use networks, or allow the names and deny the rest after them",
					"domainNames is for %s only: which addresses belong to a name is known too late to deny them", k.allow)
			}
			r.Peers = append(r.Peers, d.domainNames(&f.Value)...)
			continue
		}
		r.Peers = append(r.Peers, p)
	}
}

// set reads a list of at most 25 different strings and at least one.
func (d *decoder) set(n *document.Node, what string, read func(*document.Node)) {
	items := d.items(n, what)
	if n.Kind == document.List && len(items) == 0 {
		d.errorf(CodePeer, n.At, "", "%s is empty, and must have at least one item", what)
	}
	d.atMost(n, len(items), 25, what)
	seen := map[string]bool{}
	for i := range items {
		v := &items[i].Value
		if s := v.PlainText(); s != "" && seen[s] {
			d.errorf(CodeValue, v.At, "remove it", "%s has %q twice", what, s)
		}
		seen[v.PlainText()] = true
		read(v)
	}
}

// networks reads a list of CIDRs, each of which is a peer.
func (d *decoder) networks(n *document.Node) []model.Peer {
	var out []model.Peer
	d.set(n, "networks", func(v *document.Node) {
		if p, ok := d.prefix(v, "an item of networks"); ok {
			out = append(out, model.Peer{Kind: model.PeerBlock, Block: p, Pos: d.pos(v.At)})
		}
	})
	return out
}

// clusterPorts reads the ports of a rule; absent, the rule is about every port
// of every protocol.
func (d *decoder) clusterPorts(r *model.Rule, n *document.Node, k *clusterKind) {
	if n == nil || n.Kind == document.Null {
		r.AnyPort = true
		return
	}
	items := d.items(n, k.ports)
	if n.Kind == document.List && len(items) == 0 {
		d.errorf(CodeValue, n.At, "leave it out to match all traffic", "%s is empty, and must have at least one item", k.ports)
	}
	d.atMost(n, len(items), k.most, k.ports)
	read := d.clusterProtocol
	if k.ports == "ports" {
		read = d.clusterPort
	}
	for i := range items {
		v := &items[i].Value
		p := model.Port{Pos: d.pos(v.At)}
		read(&p, v)
		r.Ports = append(r.Ports, p)
	}
}

// clusterProtocol reads an item of protocols, as v1alpha2 has them.
func (d *decoder) clusterProtocol(p *model.Port, n *document.Node) {
	f := d.one(n, "an item of protocols", CodeValue, "tcp", "udp", "sctp", "destinationNamedPort")
	if f == nil {
		return
	}
	if f.Key == "destinationNamedPort" {
		d.portName(p, f)
		return
	}
	p.Protocol = map[string]model.Protocol{"tcp": model.TCP, "udp": model.UDP, "sctp": model.SCTP}[f.Key]
	var port *document.Node
	for i, m := range d.fields(&f.Value, f.Key) {
		switch v := &f.Value.Children[i].Value; {
		case m.Key != "destinationPort":
			d.unknown(&f.Value.Children[i], f.Key, "destinationPort")
		case v.Kind != document.Null:
			port = v
		}
	}
	if port == nil {
		if f.Value.Kind == document.Object && f.Value.Get("destinationPort") == nil && len(f.Value.Children) > 0 {
			return // something else, which has been reported
		}
		if f.Value.Kind == document.Object {
			d.errorf(CodeOnePort, f.Value.At, "for every port write destinationPort: {range: {start: 1, end: 65535}}",
				"%s has no destinationPort; the API refuses that, and it does not mean every port", f.Key)
		}
		return
	}
	switch m := d.one(port, "destinationPort", CodeValue, "number", "range"); {
	case m == nil:
	case m.Key == "number":
		v, _ := d.number(&m.Value, "number", 1, 65535)
		p.Low, p.High = uint16(v), uint16(v)
	case d.portRange(p, &m.Value, "range", false):
		d.errorf(CodeOnePort, m.At, fmt.Sprintf("write number: %d", p.Low), "the range has one port only; the API wants start below end")
	}
}

// clusterPort reads an item of ports, as v1alpha1 has them.
func (d *decoder) clusterPort(p *model.Port, n *document.Node) {
	f := d.one(n, "an item of ports", CodeValue, "portNumber", "portRange", "namedPort")
	switch {
	case f == nil:
	case f.Key == "namedPort":
		d.portName(p, f)
	case f.Key == "portRange":
		if d.portRange(p, &f.Value, "portRange", true) {
			d.warnf(CodeOnePort, f.At, "use portNumber", "the range has one port only")
		}
	default:
		p.Protocol = model.TCP
		for i, m := range d.fields(&f.Value, "portNumber") {
			v := &f.Value.Children[i].Value
			switch m.Key {
			case "protocol":
				d.protocol(p, v)
			case "port":
				number, _ := d.number(v, "port", 1, 65535)
				p.Low, p.High = uint16(number), uint16(number)
			default:
				d.unknown(&f.Value.Children[i], "portNumber", "protocol", "port")
			}
		}
		if f.Value.Kind == document.Object {
			d.require(&f.Value, "port", "portNumber")
		}
	}
}

// portRange reads start and end, and reports whether they are the same port.
func (d *decoder) portRange(p *model.Port, n *document.Node, what string, protocol bool) bool {
	known := []string{"start", "end"}
	if protocol {
		p.Protocol = model.TCP
		known = append(known, "protocol")
	}
	var low, high int64
	for i, f := range d.fields(n, what) {
		v := &n.Children[i].Value
		switch {
		case f.Key == "start":
			low, _ = d.number(v, "start", 1, 65535)
		case f.Key == "end":
			high, _ = d.number(v, "end", 1, 65535)
		case f.Key == "protocol" && protocol:
			d.protocol(p, v)
		default:
			d.unknown(&n.Children[i], what, known...)
		}
	}
	if n.Kind == document.Object && (!d.require(n, "start", what) || !d.require(n, "end", what)) || low == 0 || high == 0 {
		return false
	}
	p.Low, p.High = uint16(low), uint16(high)
	if high < low {
		d.errorf(CodePortRange, n.At, "swap them", "end %d is below start %d", high, low)
	}
	return low == high
}

// portName reads the name of a port, which has the protocol that the
// destination declares with it.
func (d *decoder) portName(p *model.Port, f *document.Field) {
	name, ok := d.text(&f.Value, f.Key)
	if msgs := validation.IsValidPortName(name); ok && len(msgs) > 0 {
		d.errorf(CodeValue, f.Value.At, "", "%q is not a valid port name: %s", name, brief(msgs))
	}
	p.Protocol, p.Name = model.AnyProtocol, name
}

// namesWithoutPods reports named ports of peers that are no pods: only pods
// have ports with names, so that such a rule would not do what it says.
func (d *decoder) namesWithoutPods(r *model.Rule, ports *document.Node) {
	for i := range r.Ports {
		if r.Ports[i].Name == "" {
			continue
		}
		for j := range r.Peers {
			if r.Peers[j].Kind != model.PeerPods {
				d.errorf(CodeNameNoPod, ports.Children[i].Value.At, "use numbers, or put these peers into a rule of their own",
					"port name %q stands beside networks, nodes or domainNames, where no port has a name", r.Ports[i].Name)
				return
			}
		}
	}
}
