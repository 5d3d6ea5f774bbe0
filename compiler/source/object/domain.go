package object

import (
	"net/netip"
	"regexp"
	"strings"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/model"
)

// domainName is the pattern of the API's custom resource definition, but for a
// slip in that: its A-z also lets through [ \ ] ^ and the backtick.
var domainName = regexp.MustCompile(`^(\*\.)?([a-z0-9_]([-a-z0-9_]*[a-z0-9])?\.)+[a-z0-9_]([-a-z0-9_]*[a-z0-9])?$`)

// domainNames reads a list of names, each of which is a peer. Names are in
// lower case and without the final dot from here on.
func (d *decoder) domainNames(n *document.Node) []model.Peer {
	var out []model.Peer
	d.set(n, "domainNames", func(v *document.Node) {
		if s, ok := d.text(v, "an item of domainNames"); ok {
			name := strings.TrimSuffix(strings.ToLower(s), ".")
			d.domainName(name, v)
			out = append(out, model.Peer{Kind: model.PeerDomain, Domain: name, Pos: d.pos(v.At)})
		}
	})
	return out
}

func (d *decoder) domainName(name string, n *document.Node) {
	const longestName, longestLabel = 253, 63 // RFC 1035, section 2.3.4
	host := strings.TrimPrefix(name, "*.")
	switch {
	case strings.ContainsRune(host, '*'):
		d.errorf(CodeDomain, n.At, "*.example.com matches every name below example.com, at any depth",
			"%q has a wildcard that is not the whole first label", n.Text)
	case !strings.Contains(host, "."):
		d.errorf(CodeDomain, n.At, "write the name in full, as in www.example.com", "%q has one label only, and must have at least two", n.Text)
	case !domainName.MatchString(name):
		d.errorf(CodeDomain, n.At, "write it as www.example.com or *.example.com", "%q is not a domain name", n.Text)
	case len(host) > longestName:
		d.errorf(CodeDomain, n.At, "", "the domain name is longer than %d bytes", longestName)
	default:
		for label := range strings.SplitSeq(host, ".") {
			if len(label) > longestLabel {
				d.errorf(CodeDomain, n.At, "", "%q has a label of more than %d bytes", n.Text, longestLabel)
			}
		}
		if _, err := netip.ParseAddr(host); err == nil {
			d.warnf(CodeDomain, n.At, "use networks", "%q is an address, which no DNS reply gives as a name: it matches nothing", n.Text)
		}
	}
}
