package object

import (
	"net/netip"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/model"
)

// peer reads one item of from or to in a policy of the given namespace.
func (d *decoder) peer(n *document.Node, namespace string) (model.Peer, bool) {
	before := d.failed
	d.failed = false
	var pods, namespaces, block *document.Node
	for i, f := range d.fields(n, "a peer") {
		v := &n.Children[i].Value
		if v.Kind == document.Null {
			v = nil // null is absent, not the selector that matches everything
		}
		switch f.Key {
		case "podSelector":
			pods = v
		case "namespaceSelector":
			namespaces = v
		case "ipBlock":
			block = v
		default:
			d.unknown(&n.Children[i], "a peer", "podSelector", "namespaceSelector", "ipBlock")
		}
	}
	p := model.Peer{Kind: model.PeerPods, Pos: d.pos(n.At)}
	if block != nil {
		p.Kind = model.PeerBlock
		d.ipBlock(&p, block)
	}
	if pods != nil {
		p.Pods = d.selector(pods, "podSelector")
	}
	if namespaces != nil {
		p.Namespaces.Selector = d.namespaceSelector(namespaces)
	} else if block == nil {
		p.Namespaces.Name = namespace
	}
	switch {
	case block != nil && (pods != nil || namespaces != nil):
		d.errorf(CodePeer, n.At, "write them as two items of the list", "ipBlock cannot stand together with selectors in one peer")
	case block == nil && pods == nil && namespaces == nil && !d.failed:
		d.errorf(CodePeer, n.At, "give podSelector, namespaceSelector or ipBlock; {} as selector matches everything",
			"the peer is empty")
	}
	ok := !d.failed
	d.failed = d.failed || before
	return p, ok
}

func (d *decoder) ipBlock(p *model.Peer, n *document.Node) {
	var cidr, except *document.Node
	for i, f := range d.fields(n, "ipBlock") {
		switch v := &n.Children[i].Value; f.Key {
		case "cidr":
			cidr = v
		case "except":
			except = v
		default:
			d.unknown(&n.Children[i], "ipBlock", "cidr", "except")
		}
	}
	if n.Kind != document.Object {
		return
	}
	if cidr == nil || cidr.Kind == document.Null {
		d.errorf(CodeCIDR, n.At, "add cidr", "ipBlock has no cidr")
		return
	}
	block, ok := d.prefix(cidr, "cidr")
	p.Block = block
	for i := range d.items(except, "except") {
		v := &except.Children[i].Value
		e, exceptOK := d.prefix(v, "an item of except")
		switch {
		case !ok || !exceptOK:
		case e.Addr().Is4() != block.Addr().Is4():
			d.errorf(CodeFamily, v.At, "remove it", "except %s and cidr %s are of different address families", e, block)
		case e.Bits() <= block.Bits() || !block.Contains(e.Addr()):
			d.errorf(CodeExcept, v.At, "except must be a smaller part of cidr; leave the peer out to exclude all of it",
				"except %s is not a strict subset of cidr %s", e, block)
		default:
			p.Except = append(p.Except, e)
		}
	}
}

// prefix reads a CIDR. Host bits are masked with a warning: the API server
// keeps such policies where they exist, and reads them like that.
func (d *decoder) prefix(n *document.Node, what string) (netip.Prefix, bool) {
	s, ok := d.text(n, what)
	if !ok {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		hint := "write it as 10.9.8.0/24 or 2001:db8::/64"
		if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
			hint = "for a single address write " + netip.PrefixFrom(addr, addr.BitLen()).String()
		}
		d.errorf(CodeCIDR, n.At, hint, "%s %q is not a CIDR", what, s)
		return p, false
	}
	if p.Addr().Is4In6() {
		// Some software reads these as IPv4 and some as IPv6.
		d.errorf(CodeCIDR, n.At, "write it as IPv4", "%s %s is an IPv4-mapped IPv6 prefix, which has no single meaning", what, s)
		return p, false
	}
	if p != p.Masked() {
		d.warnf(CodeCIDR, n.At, "write "+p.Masked().String(), "%s %s has bits set beyond the prefix length; it means %s", what, s, p.Masked())
	}
	return p.Masked(), true
}
