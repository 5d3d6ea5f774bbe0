package object

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/diag"
)

// typeMeta says what a document is.
type typeMeta struct{ apiVersion, kind string }

func typeMetaOf(n *document.Node) typeMeta {
	return typeMeta{n.TextOf("apiVersion"), n.TextOf("kind")}
}

// group returns the API group; "" is the core group.
func (t typeMeta) group() string {
	if group, _, ok := strings.Cut(t.apiVersion, "/"); ok {
		return group
	}
	return ""
}

func (t typeMeta) version() string {
	return t.apiVersion[strings.IndexByte(t.apiVersion, '/')+1:]
}

// Groups that hold kinds which are read.
const (
	groupCore       = ""
	groupApps       = "apps"
	groupBatch      = "batch"
	groupExtensions = "extensions" // of clusters before 1.16
	groupNetworking = "networking.k8s.io"
	groupAdmin      = "policy.networking.k8s.io"
)

// groupSluice holds kinds that are read elsewhere.
const groupSluice = "sluice.dev"

// isList reports whether the document is a list of objects.
func (t typeMeta) isList() bool {
	if t.kind == "List" {
		return true
	}
	switch t.group() {
	case groupCore, groupApps, groupBatch, groupExtensions, groupNetworking, groupAdmin:
		return strings.HasSuffix(t.kind, "List")
	default:
		return false
	}
}

// item returns what an item of the list is that does not say so itself, as in
// what the API server returns for PodList.
func (t typeMeta) item() typeMeta {
	if t.kind == "List" {
		return typeMeta{}
	}
	return typeMeta{t.apiVersion, strings.TrimSuffix(t.kind, "List")}
}

// document reads one parsed document; def is its type if it does not say.
func (r *Reader) document(n *document.Node, dups []document.Duplicate, at document.Offset, def typeMeta) {
	meta := typeMetaOf(n)
	if meta == (typeMeta{}) {
		meta = def
	}
	d := &decoder{cache: r.Cache, file: r.Path, offset: at}
	switch {
	case n.Kind == document.Null:
		d.report(diag.Note, CodeNoManifest, n.At, "", "empty document")
	case meta.isList() && n.Kind == document.Object:
		r.list(d, n, dups, meta)
		return
	default:
		r.object(d, n, dups, meta)
	}
	r.Out.Diags = append(r.Out.Diags, d.finish(n.At)...)
}

// list reads the items of a List.
func (r *Reader) list(d *decoder, n *document.Node, dups []document.Duplicate, meta typeMeta) {
	r.Out.Manifests++
	d.object = meta.kind
	strict := meta.kind == "List" || meta.group() == groupNetworking || meta.group() == groupAdmin
	var items *document.Node
	for i := range n.Children {
		f := &n.Children[i]
		switch f.Key {
		case "apiVersion", "kind", "metadata":
		case "items":
			items = &f.Value
		default:
			if strict {
				d.unknown(f, "the list", "apiVersion", "kind", "metadata", "items")
			}
		}
	}
	if items == nil {
		d.errorf(CodeValue, n.At, "", "the list has no items field")
	}
	children := d.items(items, "items")
	// Duplicates in the tree may be in any item; those of the list itself
	// would hide items.
	var inItems []document.Duplicate
	for _, dup := range dups {
		if len(children) > 0 && !dup.Second.Before(children[0].Value.At) {
			inItems = append(inItems, dup)
		} else {
			d.reportDuplicates([]document.Duplicate{dup}, diag.Error)
		}
	}
	r.Out.Diags = append(r.Out.Diags, d.finish(n.At)...)
	for i := range children {
		var own []document.Duplicate
		for _, dup := range inItems {
			if !dup.Second.Before(children[i].Value.At) && (i+1 == len(children) || dup.Second.Before(children[i+1].Value.At)) {
				own = append(own, dup)
			}
		}
		r.document(&children[i].Value, own, d.offset, meta.item())
	}
}

// object reads one object that is no list.
func (r *Reader) object(d *decoder, n *document.Node, dups []document.Duplicate, meta typeMeta) {
	if meta.apiVersion == "" || meta.kind == "" {
		if meta.policyLike() || shapedAsPolicy(n) {
			hint := "add apiVersion: networking.k8s.io/v1 and kind: NetworkPolicy"
			if k := clusterKindOf(meta.kind); k != nil {
				hint = "add apiVersion: " + k.apiVersion
			}
			d.errorf(CodeUnknown, n.At, hint, "this looks like a policy, but apiVersion or kind is missing")
			return
		}
		if meta.apiVersion == "" && slices.Contains(InventoryKinds, meta.kind) && n.Get("metadata") != nil {
			d.warnf(CodeSkipped, n.At, "add apiVersion", "apiVersion is missing: the %s is skipped", meta.kind)
			return
		}
		r.notManifest(d, n)
		return
	}
	r.Out.Manifests++
	switch meta.group() {
	case groupAdmin:
		r.adminPolicy(d, n, dups, meta)
		return
	case groupNetworking, groupExtensions:
		if r.networking(d, n, dups, meta) {
			return
		}
	}
	if read := r.inventoryReader(meta); read != nil {
		d.lenient = true
		read(d, n, meta)
		d.reportDuplicates(dups, diag.Warning)
		if !d.failed {
			r.Out.Documents++
		}
		return
	}
	r.skip(d, n, meta)
}

// notManifest reports a document without apiVersion and kind. Such files are
// normal in a directory (values, kustomizations), but somebody who names a
// file, or pipes text in, means it to be read.
func (r *Reader) notManifest(d *decoder, n *document.Node) {
	sev, hint := diag.Note, ""
	if r.Explicit {
		sev, hint = diag.Error, "give a manifest, or what helm template or kustomize build prints"
	}
	what := "apiVersion and kind are missing"
	if n.Kind != document.Object {
		what = fmt.Sprintf("it is %s instead of a mapping", n.Kind)
	}
	d.report(sev, CodeNoManifest, n.At, hint, "not a Kubernetes manifest: %s", what)
}

// policyLike reports whether the kind is, or is a typing mistake for, one of
// those that are policies.
func (t typeMeta) policyLike() bool {
	known := []string{"NetworkPolicy"}
	for _, k := range clusterKinds {
		known = append(known, k.kind)
	}
	return Nearest(strings.TrimSuffix(t.kind, "List"), known) != "" || t.kind == "" && t.group() == groupNetworking
}

// shapedAsPolicy reports whether spec has fields that only policies have.
func shapedAsPolicy(n *document.Node) bool {
	spec := n.Get("spec")
	return spec.Get("policyTypes") != nil || spec.Get("podSelector") != nil ||
		spec.Get("subject") != nil && (spec.Get("ingress") != nil || spec.Get("egress") != nil)
}

// skip reports a kind that is not read. What might be a policy that somebody
// relies on is more than a note.
func (r *Reader) skip(d *decoder, n *document.Node, meta typeMeta) {
	group := meta.group()
	builtin := !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io") ||
		distance(group, groupNetworking) <= 3 || distance(group, groupAdmin) <= 3
	switch {
	case meta.kind == "PolicyTest" && group == groupSluice:
		d.report(diag.Note, CodeSkipped, n.At, "", "PolicyTest (%s) is for sluice test: it has no part in policy decisions and is skipped", meta.apiVersion)
	case meta.policyLike() && builtin:
		d.errorf(CodeUnknown, n.At, policyHint(meta.kind),
			"there is no kind %s in %s: this policy would not be enforced", meta.kind, meta.apiVersion)
	case strings.HasSuffix(meta.kind, "NetworkPolicy"):
		d.warnf(CodeSkipped, n.At, "", "%s of %s is not a policy that Sluice reads: it is not enforced", meta.kind, meta.apiVersion)
	case builtin && slices.Contains(InventoryKinds, meta.kind) && !strings.Contains(group, "."):
		d.warnf(CodeSkipped, n.At, "check apiVersion", "there is no kind %s in %s: the document is skipped", meta.kind, meta.apiVersion)
	default:
		d.report(diag.Note, CodeSkipped, n.At, "", "%s (%s) has no part in policy decisions and is skipped", meta.kind, meta.apiVersion)
	}
}

// networking reads the networking.k8s.io group and its forerunner. It reports
// false for a kind that is no policy and read elsewhere, or skipped.
func (r *Reader) networking(d *decoder, n *document.Node, dups []document.Duplicate, meta typeMeta) bool {
	// Every other kind that these groups have, or had.
	others := []string{
		"Ingress", "IngressClass", "IPAddress", "ServiceCIDR", "ClusterCIDR", "IngressList",
		"Deployment", "DaemonSet", "ReplicaSet", "PodSecurityPolicy", "Scale",
	}
	switch {
	case meta == typeMeta{groupNetworking + "/v1", "NetworkPolicy"}:
		p := d.networkPolicy(n)
		d.reportDuplicates(dups, diag.Error)
		if !d.failed {
			r.Out.Policies = append(r.Out.Policies, p)
			r.Out.Documents++
		}
		return true
	case slices.Contains(others, meta.kind):
		return false
	case meta.policyLike() || meta.group() == groupNetworking:
		d.errorf(CodeUnknown, n.At, policyHint(meta.kind), "there is no kind %s in %s: if this is a policy, it would not be enforced",
			meta.kind, meta.apiVersion)
		return true
	default:
		return false
	}
}
