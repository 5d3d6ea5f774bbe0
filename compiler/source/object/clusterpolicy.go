package object

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// clusterKind is how a kind of cluster-wide policy is spelled, and what its
// custom resource definition demands.
type clusterKind struct {
	apiVersion string
	kind       string
	tier       model.Tier // 0: spec.tier says it
	priority   int32      // -1: spec.priority says it
	allow      string
	pass       bool
	domains    bool
	ports      string // name of the list of ports
	most       int    // rules in a direction, peers and ports in a rule
}

// afterPriorities is the priority of what has none and yields to all that
// have: a BaselineAdminNetworkPolicy beside ClusterNetworkPolicies of the
// Baseline tier. The API does not say which of them goes first.
const afterPriorities = 1001

var clusterKinds = []clusterKind{
	{
		apiVersion: groupAdmin + "/v1alpha2", kind: "ClusterNetworkPolicy", priority: -1,
		allow: "Accept", pass: true, domains: true, ports: "protocols", most: 25,
	},
	{
		apiVersion: groupAdmin + "/v1alpha1", kind: "AdminNetworkPolicy", tier: model.TierAdmin, priority: -1,
		allow: "Allow", pass: true, domains: true, ports: "ports", most: 100,
	},
	{
		apiVersion: groupAdmin + "/v1alpha1", kind: "BaselineAdminNetworkPolicy", tier: model.TierBaseline, priority: afterPriorities,
		allow: "Allow", ports: "ports", most: 100,
	},
}

// adminPolicy reads the group policy.networking.k8s.io. It has nothing but
// policies, so that what is not known is refused: leaving it out could allow
// what it denies.
func (r *Reader) adminPolicy(d *decoder, n *document.Node, dups []document.Duplicate, meta typeMeta) {
	if k := clusterKindOf(meta.kind); k != nil && k.apiVersion == meta.apiVersion {
		p := d.clusterPolicy(n, k)
		d.reportDuplicates(dups, diag.Error)
		if !d.failed {
			r.Out.Policies = append(r.Out.Policies, p)
			r.Out.Documents++
		}
		return
	}
	d.object = Ref(meta.kind, "", n.Get("metadata").TextOf("name"), false)
	d.errorf(CodeUnknown, n.At, policyHint(meta.kind),
		"there is no kind %s in %s: if this is a policy, it would not be enforced", meta.kind, meta.apiVersion)
}

// clusterKindOf returns nil for any other kind.
func clusterKindOf(kind string) *clusterKind {
	for i := range clusterKinds {
		if clusterKinds[i].kind == kind {
			return &clusterKinds[i]
		}
	}
	return nil
}

// policyHint says how the kind of policy that is probably meant is spelled.
func policyHint(kind string) string {
	known := []string{"NetworkPolicy"}
	versions := map[string]string{"NetworkPolicy": groupNetworking + "/v1"}
	for _, k := range clusterKinds {
		known = append(known, k.kind)
		versions[k.kind] = k.apiVersion
	}
	switch s := Nearest(strings.TrimSuffix(kind, "List"), known); {
	case s == kind:
		return "use apiVersion: " + versions[s]
	case s != "":
		return fmt.Sprintf("did you mean %s in %s?", s, versions[s])
	default:
		return "known: " + strings.Join(known, ", ")
	}
}

// clusterPolicy reads a cluster-wide policy with the checks of its custom
// resource definition. The result must not be used when d has failed.
func (d *decoder) clusterPolicy(doc *document.Node, k *clusterKind) model.Policy {
	m := d.metadata(doc, k.kind, scope{})
	meta := doc.Get("metadata")
	d.strictMetadata(meta)
	if ns := meta.Get("namespace"); ns.PlainText() != "" {
		d.warnf(CodeIdentity, ns.At, "remove it, and choose namespaces in spec.subject",
			"%s belongs to no namespace; metadata.namespace has no effect", k.kind)
	}
	if k.kind == "BaselineAdminNetworkPolicy" && m.name != "" && m.name != "default" {
		d.errorf(CodeIdentity, meta.Get("name").At, "name it default", "a cluster has one %s, and its name is default, not %q", k.kind, m.name)
	}
	p := model.Policy{Kind: k.kind, Name: m.name, Tier: k.tier, Priority: k.priority, Pos: d.pos(doc.At)}
	for i := range doc.Children {
		switch f := &doc.Children[i]; f.Key {
		case "apiVersion", "kind", "metadata", "spec":
		case "status": // written by whoever implements the API; without meaning here
		default:
			d.unknown(f, k.kind, "apiVersion", "kind", "metadata", "spec")
		}
	}
	spec := doc.Get("spec")
	if spec == nil || spec.Kind == document.Null {
		d.errorf(CodeValue, doc.At, "check the indentation", "spec is missing")
		return p
	}
	d.clusterSpec(&p, spec, k)
	return p
}

func (d *decoder) clusterSpec(p *model.Policy, spec *document.Node, k *clusterKind) {
	known := []string{"subject", "ingress", "egress"}
	if k.priority < 0 {
		known = append(known, "priority")
	}
	if k.tier == 0 {
		known = append(known, "tier")
	}
	for _, dir := range model.Directions {
		p.Sections[dir].Pos = d.pos(spec.At)
	}
	var names [2][]string
	for i, f := range d.fields(spec, "spec") {
		v := &spec.Children[i].Value
		switch {
		case !slices.Contains(known, f.Key):
			d.unknown(&spec.Children[i], "spec", known...)
		case f.Key == "subject":
			p.Subject = d.clusterSubject(v, k)
		case f.Key == "ingress":
			p.Sections[model.Ingress], names[model.Ingress] = d.clusterSection(v, model.Ingress, k, f.At)
		case f.Key == "egress":
			p.Sections[model.Egress], names[model.Egress] = d.clusterSection(v, model.Egress, k, f.At)
		case f.Key == "priority":
			v, _ := d.number(v, "priority", 0, 1000)
			p.Priority = int32(v)
		case f.Key == "tier":
			p.Tier = d.clusterTier(v)
		}
	}
	if spec.Kind == document.Object {
		for _, key := range known {
			if key != "ingress" && key != "egress" {
				d.require(spec, key, "spec")
			}
		}
	}
	nameRules(p, names)
}

// require reports a field that is missing, or null.
func (d *decoder) require(n *document.Node, key, what string) bool {
	if v := n.Get(key); v == nil || v.Kind == document.Null {
		d.errorf(CodeValue, n.At, "add "+key, "%s has no %s", what, key)
		return false
	}
	return true
}

func (d *decoder) clusterTier(n *document.Node) model.Tier {
	s, ok := d.text(n, "tier")
	switch {
	case !ok || n.Kind == document.Null:
	case s == "Admin":
		return model.TierAdmin
	case s == "Baseline":
		return model.TierBaseline
	default:
		d.errorf(CodeValue, n.At, didYouMean(s, "Admin", "Baseline"), "%q is no tier of ClusterNetworkPolicy", s)
	}
	return 0
}

// didYouMean is a hint that lists what may stand somewhere, or names what was
// probably meant.
func didYouMean(s string, known ...string) string {
	if near := Nearest(s, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "known: " + strings.Join(known, ", ")
}

// one returns the field of an object that must have exactly one of several.
func (d *decoder) one(n *document.Node, what, code string, known ...string) *document.Field {
	var set []*document.Field
	strange := false
	for i, f := range d.fields(n, what) {
		switch {
		case !slices.Contains(known, f.Key):
			d.unknown(&n.Children[i], what, known...)
			strange = true
		case f.Value.Kind != document.Null:
			set = append(set, &n.Children[i])
		}
	}
	switch {
	case len(set) == 1:
		return set[0]
	case len(set) > 1:
		d.errorf(code, set[1].At, "keep one of them, or write several items", "%s has both %s and %s, and must have exactly one of %s",
			what, set[0].Key, set[1].Key, strings.Join(known, ", "))
	case !strange && (n.Kind == document.Null || n.Kind == document.Object):
		d.errorf(code, n.At, "", "%s is empty, and must have exactly one of %s", what, strings.Join(known, ", "))
	}
	return nil
}

func (d *decoder) clusterSubject(n *document.Node, k *clusterKind) model.Subject {
	s := model.Subject{Pos: d.pos(n.At)}
	if n.Kind == document.Null {
		return s // as good as absent, which is reported
	}
	switch f := d.one(n, "subject", CodePeer, "namespaces", "pods"); {
	case f == nil:
	case f.Key == "namespaces":
		s.Namespaces.Selector = d.namespaceSelector(&f.Value)
	default:
		s.Namespaces.Selector, s.Pods = d.namespacedPod(&f.Value, k)
	}
	return s
}

// namespacedPod reads a pair of selectors, both of which must match. Where the
// API lets the one of namespaces be absent, it selects all of them.
func (d *decoder) namespacedPod(n *document.Node, k *clusterKind) (namespaces, pods model.Selector) {
	for i, f := range d.fields(n, "pods") {
		v := &n.Children[i].Value
		switch f.Key {
		case "namespaceSelector":
			namespaces = d.namespaceSelector(v)
		case "podSelector":
			pods = d.selector(v, "podSelector")
		default:
			d.unknown(&n.Children[i], "pods", "namespaceSelector", "podSelector")
		}
	}
	switch {
	case n.Kind != document.Object:
	case k.tier == 0:
		d.require(n, "podSelector", "pods")
	default:
		d.impliedSelector(n, "podSelector")
		d.impliedSelector(n, "namespaceSelector")
	}
	return namespaces, pods
}

// impliedSelector says that a selector is missing which v1alpha1 requires. The
// API server refuses such a policy; much of what is published leaves one out
// and means everything by it, as the zero value of the API's type does.
func (d *decoder) impliedSelector(n *document.Node, key string) {
	if v := n.Get(key); v == nil || v.Kind == document.Null {
		d.warnf(CodeValue, n.At, "add "+key+": {}", "pods has no %s, and the API server refuses that; it is read as {}, which selects everything", key)
	}
}

// nameRules gives each rule an ID: the name that it has in the policy, unless
// another rule has that too or it cannot be printed, else its place.
func nameRules(p *model.Policy, names [2][]string) {
	uses := map[string]int{}
	for _, list := range names {
		for _, name := range list {
			uses[name]++
		}
	}
	// A rule that goes by its place keeps others from that name, and that may
	// make one of those go by its place.
	for again := true; again; {
		again = false
		for _, dir := range model.Directions {
			for i, name := range names[dir] {
				r := &p.Sections[dir].Rules[i]
				place := fmt.Sprintf("%s[%d]", dir, i)
				bad := name == "" || uses[name] > 1 || strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) })
				if r.ID != place && (bad || name == place) {
					r.ID = place
					uses[place] += 2
					again = true
				} else if r.ID == "" {
					r.ID = name
				}
			}
		}
	}
}
