package policytest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/query"
)

// What a test document says it is.
const (
	group      = "sluice.dev/"
	apiVersion = group + "v1alpha1"
	kind       = "PolicyTest"
)

// maxConnections bounds what the lists of one document may multiply to.
const maxConnections = 100_000

// Document is one PolicyTest. One with findings is not to be run.
type Document struct {
	Name        string
	Pos         diag.Pos
	Diags       diag.List
	connections []connection
	ends        []place
}

// connection is one question and what the answer must be.
type connection struct {
	name     string // of its case or table; may be empty
	pos      diag.Pos
	from, to string
	port     port
	query    query.Query
	expect   artifact.Verdict
	policy   string // "Kind/namespace/name"; "" for any
	rule     string // its id; "" for any
	tier     string // "" for any
}

func (c *connection) String() string { return c.from + " -> " + c.to + " " + c.port.text }

// place is an end where it was written.
type place struct {
	field string
	text  string
	end   query.End
	pos   diag.Pos
}

type port struct {
	text, protocol string
	number         *int
}

// Parse returns the test documents in the text of a file, in order. What does
// not parse as YAML or JSON at all is left to those who read manifests.
func Parse(path string, src []byte) []*Document {
	names := document.Interner{}
	var out []*Document
	for _, c := range document.Split(src, func(n *document.Node) bool { return n.TextOf("kind") == "List" }, names) {
		if !bytes.Contains(bytes.ToLower(c.Text), []byte("policytest")) {
			continue
		}
		trees, _ := c.Parse(names)
		for _, t := range trees {
			d := &decoder{file: path, at: c.At, lines: bytes.Split(c.Text, []byte("\n"))}
			out = append(out, d.tree(t, c.List != nil)...)
		}
	}
	return out
}

// decoder reads one document strictly.
type decoder struct {
	file  string
	at    document.Offset
	lines [][]byte // of the chunk
	doc   *Document
}

func (d *decoder) pos(p document.Place) diag.Pos {
	p = d.at.Shift(p)
	return diag.Pos{File: d.file, Line: int(p.Line), Col: int(p.Col)}
}

func (d *decoder) errorf(at document.Place, hint, format string, args ...any) {
	f := diag.Diagnostic{Severity: diag.Error, Pos: d.pos(at), Message: fmt.Sprintf(format, args...), Hint: hint}
	if d.doc.Name != "" {
		f.Object = kind + "/" + d.doc.Name
	}
	d.doc.Diags.Add(f)
}

// tree returns the tests of a tree: none, one, or the refusals of those that
// are items of a list.
func (d *decoder) tree(t *document.Tree, item bool) []*Document {
	n := &t.Root
	var out []*Document
	items := n.Get("items")
	switch {
	case n.Kind == document.List:
		items = n
	case n.TextOf("kind") == "List":
	default:
		items = nil
	}
	if items != nil {
		for i := range items.Children {
			if v := &items.Children[i].Value; isTest(v) {
				out = append(out, d.refuseItem(v))
			}
		}
		return out
	}
	if !isTest(n) {
		return nil
	}
	if item {
		return append(out, d.refuseItem(n))
	}
	return append(out, d.document(t))
}

// isTest reports whether the document is meant as a test, however badly its
// type is written: tests that are passed over in silence seem to pass.
func isTest(n *document.Node) bool {
	version, k := n.TextOf("apiVersion"), n.TextOf("kind")
	if version != "" && !strings.HasPrefix(version, group) {
		return false
	}
	return strings.EqualFold(strings.TrimSuffix(k, "s"), kind)
}

func (d *decoder) refuseItem(n *document.Node) *Document {
	d.doc = &Document{Name: n.Get("metadata").TextOf("name"), Pos: d.pos(n.At)}
	d.errorf(n.At, "make it a document of its own", "a %s cannot be an item of a list", kind)
	return d.doc
}

func (d *decoder) document(t *document.Tree) *Document {
	n := &t.Root
	d.doc = &Document{Name: n.Get("metadata").TextOf("name"), Pos: d.pos(n.At)}
	for _, dup := range t.Duplicates {
		d.errorf(dup.Second, "", "field %q is there twice; the first is at line %d", dup.Key, d.pos(dup.First).Line)
	}
	if v := n.TextOf("apiVersion"); v != apiVersion {
		d.errorf(n.At, "", "apiVersion is %q: want %s", v, apiVersion)
	}
	if k := n.TextOf("kind"); k != kind {
		d.errorf(n.At, "", "kind is %q: want %s", k, kind)
	}
	d.object(n, "the test", "apiVersion", "kind", "metadata", "cases", "tables")
	if meta := n.Get("metadata"); meta == nil {
		d.errorf(n.At, "", "metadata.name is missing")
	} else if d.object(meta, "metadata", "name", "namespace", "labels", "annotations") {
		d.text(meta, "metadata", "name", true)
	}
	before := len(d.doc.Diags)
	for _, c := range d.list(n, "cases") {
		d.testCase(c)
	}
	for _, c := range d.list(n, "tables") {
		d.table(c)
	}
	if len(d.doc.connections) == 0 && len(d.doc.Diags) == before {
		d.errorf(n.At, "give it cases or tables", "the document tests nothing")
	}
	return d.doc
}

func (d *decoder) testCase(n *document.Node) {
	if !d.object(n, "the case", "name", "from", "to", "port", "expect", "by", "tier") {
		return
	}
	c := connection{name: d.name(n, "the case"), pos: d.pos(n.At)}
	from, to := d.endList(n, "from"), d.endList(n, "to")
	ports := d.ports(n, "the case")
	if s := d.text(n, "the case", "expect", true); s != "" {
		c.expect = d.verdict(n.Get("expect").At, s)
	}
	if s := d.text(n, "the case", "by", false); s != "" {
		policy, rule, found := strings.Cut(s, " ")
		rule = strings.TrimSpace(rule)
		if k := strings.Count(policy, "/"); k < 1 || k > 2 || slices.Contains(strings.Split(policy, "/"), "") || found && rule == "" {
			d.errorf(n.Get("by").At, "", `by %q: want "Kind/namespace/name", "Kind/name" or one of them, a space and the rule's id`, s)
		}
		c.policy, c.rule = policy, rule
	}
	tiers := []string{"admin", "segment", "namespace", "baseline", "default", "self", "node"}
	if c.tier = d.text(n, "the case", "tier", false); c.tier != "" && !slices.Contains(tiers, c.tier) {
		d.errorf(n.Get("tier").At, "", "tier %q: want one of %s", c.tier, strings.Join(tiers, ", "))
	}
	if c.policy != "" && slices.Contains(tiers[4:], c.tier) {
		d.errorf(n.Get("tier").At, "", "tier %s has no policy: leave out by", c.tier)
	}
	for _, f := range from {
		for _, t := range to {
			d.connect(c, f, t, ports, n.At)
		}
	}
}

// connect adds a connection for each port.
func (d *decoder) connect(c connection, from, to place, ports []port, at document.Place) {
	if len(d.doc.connections)+len(ports) > maxConnections {
		if len(d.doc.connections) <= maxConnections { // say it once
			d.errorf(at, "split it", "the document has more than %d connections", maxConnections)
			d.doc.connections = make([]connection, maxConnections+1)
		}
		return
	}
	for _, p := range ports {
		c.from, c.to, c.port = from.text, to.text, p
		c.query = query.Query{Src: from.end, Dst: to.end, Protocol: p.protocol, Port: p.number}
		d.doc.connections = append(d.doc.connections, c)
	}
}

// object reports whether n is a mapping, and every field that is not known.
func (d *decoder) object(n *document.Node, what string, known ...string) bool {
	if n.Kind != document.Object {
		d.errorf(n.At, "", "%s is %s: want a mapping", what, n.Kind)
		return false
	}
	for i := range n.Children {
		if f := &n.Children[i]; !slices.Contains(known, f.Key) {
			d.errorf(f.At, "there are "+strings.Join(known, ", "), "unknown field %q in %s", f.Key, what)
		}
	}
	return true
}

// list returns the items of a field, which may be missing.
func (d *decoder) list(n *document.Node, field string) []*document.Node {
	v := n.Get(field)
	if v == nil {
		return nil
	}
	if v.Kind != document.List || len(v.Children) == 0 {
		d.errorf(v.At, "", "%s: want a list with something in it", field)
		return nil
	}
	out := make([]*document.Node, len(v.Children))
	for i := range v.Children {
		out[i] = &v.Children[i].Value
	}
	return out
}

// text returns a field that must be a string; "" after an error.
func (d *decoder) text(n *document.Node, what, field string, required bool) string {
	v := n.Get(field)
	switch {
	case v == nil && !required:
	case v == nil:
		d.errorf(n.At, "", "%s is missing in %s", field, what)
	case v.Kind != document.Text:
		d.errorf(v.At, "", "%s is %s: want a string", field, v.Kind)
	case v.Text == "":
		d.errorf(v.At, "", "%s is empty", field)
	default:
		return v.Text
	}
	return ""
}

// name returns the field "name", which stands in lines of output.
func (d *decoder) name(n *document.Node, what string) string {
	s := d.text(n, what, "name", false)
	if strings.ContainsFunc(s, unicode.IsControl) {
		d.errorf(n.Get("name").At, "", "name: want one line of text")
	}
	return s
}

// texts returns a field that must be a string or a list of them, with the
// place of each.
func (d *decoder) texts(n *document.Node, what, field string) []*document.Node {
	v := n.Get(field)
	items := []*document.Node{v}
	switch {
	case v == nil:
		d.errorf(n.At, "", "%s is missing in %s", field, what)
		return nil
	case v.Kind == document.List:
		items = d.list(n, field)
	}
	var out []*document.Node
	for i, x := range items {
		switch {
		case x.Kind != document.Text || x.Text == "":
			d.errorf(x.At, "", "%s: want a string or a list of strings, as %s", field, example[field])
		case slices.ContainsFunc(items[:i], func(y *document.Node) bool { return y.Kind == document.Text && y.Text == x.Text }):
			d.errorf(x.At, "", "%s: %s is there twice", field, x.Text)
		default:
			out = append(out, x)
		}
	}
	return out
}

var example = map[string]string{"from": "shop/frontend", "to": "shop/cart", "port": "7070/TCP"}

func (d *decoder) endList(n *document.Node, field string) []place {
	var out []place
	for _, x := range d.texts(n, "the case", field) {
		if p, ok := d.end(x.At, field, x.Text); ok {
			out = append(out, p)
		}
	}
	return out
}

func (d *decoder) end(at document.Place, field, text string) (place, bool) {
	e, err := query.ParseEnd(text)
	if err != nil {
		d.errorf(at, "", "%s: %v", field, err)
		return place{}, false
	}
	p := place{field, text, e, d.pos(at)}
	d.doc.ends = append(d.doc.ends, p)
	return p, true
}

func (d *decoder) ports(n *document.Node, what string) []port {
	var out []port
	for _, x := range d.texts(n, what, "port") {
		p, ok := parsePort(x.Text)
		if !ok {
			d.errorf(x.At, "", "port %q: want a number and TCP, UDP or SCTP, as 7070/TCP, or ICMP", x.Text)
			continue
		}
		out = append(out, p)
	}
	return out
}

func parsePort(s string) (port, bool) {
	if s == "ICMP" {
		return port{text: s, protocol: s}, true
	}
	number, protocol, _ := strings.Cut(s, "/")
	v, err := strconv.ParseUint(number, 10, 16)
	if err != nil || v == 0 || !slices.Contains([]string{"TCP", "UDP", "SCTP"}, protocol) {
		return port{}, false
	}
	i := int(v)
	return port{s, protocol, &i}, true
}

// verdict returns what the text says, or zero after an error.
func (d *decoder) verdict(at document.Place, s string) artifact.Verdict {
	switch s {
	case "allow":
		return artifact.Allow
	case "deny":
		return artifact.Deny
	}
	d.errorf(at, "", "%q: want allow or deny", s)
	return 0
}
