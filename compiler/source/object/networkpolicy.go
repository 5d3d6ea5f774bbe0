package object

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/model"
)

// networkPolicy reads a NetworkPolicy of networking.k8s.io/v1 with the
// meaning and the checks of the API server. The result must not be used when d
// has failed.
func (d *decoder) networkPolicy(doc *document.Node) model.Policy {
	m := d.metadata(doc, "NetworkPolicy", scope{namespaced: true})
	d.strictMetadata(doc.Get("metadata"))
	p := model.Policy{
		Kind:      "NetworkPolicy",
		Namespace: m.namespace,
		Name:      m.name,
		Tier:      model.TierNamespace,
		Pos:       d.pos(doc.At),
	}
	if doc.Get("metadata").TextOf("namespace") == "" {
		d.warnf(CodeIdentity, doc.At, "add metadata.namespace", "metadata.namespace is missing; %q is assumed", defaultNamespace)
	}
	spec := doc.Get("spec")
	for i := range doc.Children {
		switch f := &doc.Children[i]; f.Key {
		case "apiVersion", "kind", "metadata", "spec":
		case "status": // of clusters 1.24 to 1.27; without meaning
		default:
			d.unknown(f, "NetworkPolicy", "apiVersion", "kind", "metadata", "spec")
		}
	}
	if spec == nil || spec.Kind == document.Null {
		// Legal, and the strictest of policies; usually a slip of indentation.
		d.warnf(CodeValue, doc.At, "write spec.podSelector: {} if that is meant",
			"spec is missing: the policy selects every pod of the namespace and allows no ingress")
		spec = &document.Node{At: doc.At}
	}
	d.policySpec(&p, spec)
	return p
}

func (d *decoder) policySpec(p *model.Policy, spec *document.Node) {
	p.Subject = model.Subject{Namespaces: model.NamespaceMatch{Name: p.Namespace}, Pos: d.pos(spec.At)}
	var policyTypes *document.Node
	for _, dir := range model.Directions {
		p.Sections[dir].Pos = d.pos(spec.At)
	}
	for i, f := range d.fields(spec, "spec") {
		v := &spec.Children[i].Value
		switch f.Key {
		case "podSelector":
			p.Subject.Pods = d.selector(v, "podSelector")
			p.Subject.Pos = d.pos(v.At)
		case "policyTypes":
			policyTypes = v
		case "ingress":
			p.Sections[model.Ingress] = d.section(v, model.Ingress, p.Namespace, f.At)
		case "egress":
			p.Sections[model.Egress] = d.section(v, model.Egress, p.Namespace, f.At)
		default:
			d.unknown(&spec.Children[i], "spec", "podSelector", "ingress", "egress", "policyTypes")
		}
	}
	d.policyTypes(p, policyTypes)
}

// policyTypes decides which directions the policy governs. Absent or empty,
// the API server fills in Ingress, and Egress only if there are egress rules.
func (d *decoder) policyTypes(p *model.Policy, n *document.Node) {
	items := d.items(n, "policyTypes")
	if len(items) == 0 {
		p.Sections[model.Ingress].Applies = true
		p.Sections[model.Egress].Applies = len(p.Sections[model.Egress].Rules) > 0
		return
	}
	if len(items) > 2 {
		d.errorf(CodeValue, n.At, "list Ingress, Egress or both", "policyTypes has %d items, and may have at most two", len(items))
	}
	for i := range items {
		v := &items[i].Value
		s, ok := d.text(v, "an item of policyTypes")
		switch {
		case !ok:
		case s == "Ingress":
			p.Sections[model.Ingress].Applies = true
		case s == "Egress":
			p.Sections[model.Egress].Applies = true
		default:
			hint := "known: Ingress, Egress"
			if near := Nearest(s, []string{"Ingress", "Egress"}); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			d.errorf(CodeValue, v.At, hint, "%q is not a policy type", s)
		}
	}
}

func (d *decoder) section(n *document.Node, dir model.Direction, namespace string, at document.Place) model.Section {
	s := model.Section{Pos: d.pos(at)}
	items := d.items(n, dir.String())
	if len(items) > 0 {
		s.Rules = make([]model.Rule, 0, len(items))
	}
	for i := range items {
		s.Rules = append(s.Rules, d.rule(&items[i].Value, dir, namespace, i))
	}
	return s
}

// rule reads one ingress or egress rule. Absent or empty peers mean every
// peer, and absent or empty ports every port of every protocol.
func (d *decoder) rule(n *document.Node, dir model.Direction, namespace string, index int) model.Rule {
	r := model.Rule{ID: fmt.Sprintf("%s[%d]", dir, index), Verdict: model.Allow, Pos: d.pos(n.At)}
	d.warnNull(n, fmt.Sprintf("%s rule", dir), "a rule that allows everything")
	peers, other := "from", "to"
	if dir == model.Egress {
		peers, other = other, peers
	}
	for i, f := range d.fields(n, "an "+dir.String()+" rule") {
		v := &n.Children[i].Value
		switch f.Key {
		case peers:
			r.EmptyPeers = v.Kind == document.List && len(v.Children) == 0
			for j := range d.items(v, peers) {
				if p, ok := d.peer(&v.Children[j].Value, namespace); ok {
					r.Peers = append(r.Peers, p)
				}
			}
		case "ports":
			for j := range d.items(v, "ports") {
				if p, ok := d.port(&v.Children[j].Value); ok {
					r.Ports = append(r.Ports, p)
				}
			}
		case other:
			d.errorf(CodeUnknown, f.At, fmt.Sprintf("%s rules name their peers with %q", dir, peers), "unknown field %q in an %s rule", other, dir)
		default:
			d.unknown(&n.Children[i], "an "+dir.String()+" rule", peers, "ports")
		}
	}
	// A list that had items which are all wrong is not an empty list; the
	// policy is dropped for its errors, so that nothing follows from it here.
	r.AnyPeer = len(r.Peers) == 0
	r.AnyPort = len(r.Ports) == 0
	return r
}

// warnNull points out an item that YAML reads as null, for example a lone
// dash: to the API server it is the same as {}.
func (d *decoder) warnNull(n *document.Node, what, meaning string) {
	if n.Kind == document.Null {
		d.warnf(CodeValue, n.At, "write {} if that is meant, else remove the item", "empty %s; Kubernetes reads it as %s", what, meaning)
	}
}

var protocols = map[string]model.Protocol{"TCP": model.TCP, "UDP": model.UDP, "SCTP": model.SCTP}

// port reads one item of ports. Without a protocol it is TCP, and without a
// port every port of the protocol.
func (d *decoder) port(n *document.Node) (model.Port, bool) {
	before := d.failed
	d.failed = false
	p := model.Port{Protocol: model.TCP, High: 65535, Pos: d.pos(n.At)}
	d.warnNull(n, "item of ports", "every TCP port")
	var port, end *document.Node
	for i, f := range d.fields(n, "an item of ports") {
		v := &n.Children[i].Value
		switch f.Key {
		case "protocol":
			d.protocol(&p, v)
		case "port":
			port = v
		case "endPort":
			end = v
		default:
			d.unknown(&n.Children[i], "an item of ports", "protocol", "port", "endPort")
		}
	}
	d.portNumbers(&p, port, end)
	ok := !d.failed
	d.failed = d.failed || before
	return p, ok
}

func (d *decoder) protocol(p *model.Port, n *document.Node) {
	s, ok := d.text(n, "protocol")
	if !ok || n.Kind == document.Null {
		return
	}
	proto, known := protocols[s]
	if !known {
		hint := "known: TCP, UDP, SCTP"
		if up := strings.ToUpper(s); protocols[up] != 0 {
			hint = fmt.Sprintf("write %s", up)
		}
		d.errorf(CodeValue, n.At, hint, "%q is not a protocol that a policy can name", s)
	}
	p.Protocol = proto
}

func (d *decoder) portNumbers(p *model.Port, port, end *document.Node) {
	if end != nil && end.Kind == document.Null {
		end = nil
	}
	switch {
	case port == nil || port.Kind == document.Null:
		if end != nil {
			d.errorf(CodeEndPort, end.At, "add port", "endPort without port")
		}
	case port.Kind == document.Text:
		p.Name, p.Low, p.High = port.Text, 0, 0
		if msgs := validation.IsValidPortName(port.Text); len(msgs) > 0 {
			hint := ""
			if port.Text != "" && strings.Trim(port.Text, "0123456789") == "" {
				hint = "remove the quotes: in quotes it is the name of a port, not its number"
			}
			d.errorf(CodeValue, port.At, hint, "%q is not a valid port name: %s", port.Text, brief(msgs))
		}
		if end != nil {
			d.errorf(CodeEndPort, end.At, "give port as a number", "endPort needs a numeric port, not the name %q", port.Text)
		}
	case port.Kind != document.Integer:
		d.wrongType(port, "port", "a number or a name")
	default:
		low, ok := d.number(port, "port", 1, 65535)
		p.Low, p.High = uint16(low), uint16(low)
		if end == nil {
			return
		}
		high, endOK := d.number(end, "endPort", 1, 65535)
		p.High = uint16(high)
		if ok && endOK && high < low {
			d.errorf(CodePortRange, end.At, "swap them", "endPort %d is below port %d", high, low)
		}
	}
}
