package source

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sluice-net/sluice/internal/model"
)

// metadata is what is read of an object's metadata.
type metadata struct {
	name      string
	namespace string
	labels    model.Labels
	owner     ownerRef
}

// ownerRef names the controller of an object; zero when it has none.
type ownerRef struct{ kind, name string }

// scope tells how the names of a kind are formed.
type scope struct {
	namespaced bool
	label      bool // the name is a DNS label rather than a DNS subdomain
}

const defaultNamespace = "default"

// metadata reads the metadata of an object of any kind, which must have a
// name, and sets the name of the object for findings.
func (d *decoder) metadata(doc *node, kind string, s scope) metadata {
	m := metadata{}
	n := doc.get("metadata")
	if n != nil && n.kind == object {
		m.namespace = n.string("namespace")
		m.name = n.string("name")
	}
	if s.namespaced && m.namespace == "" {
		m.namespace = defaultNamespace
	}
	// The name comes first, so that findings about the rest can say whose.
	d.object = objectName(kind, m.namespace, m.name, s.namespaced)
	at := doc.at
	for i, f := range d.fields(n, "metadata") {
		v := &n.children[i].value
		switch f.key {
		case "name":
			d.text(v, "metadata.name")
			at = v.at
		case "namespace":
			d.text(v, "metadata.namespace")
			d.namespaceName(m.namespace, v.at, s)
		case "labels":
			m.labels = d.labels(v, "metadata.labels")
		case "ownerReferences":
			m.owner = d.owner(v)
		}
	}
	d.name(m.name, n, at, s)
	return m
}

func objectName(kind, namespace, name string, namespaced bool) string {
	if name == "" {
		name = "(no name)"
	}
	if !namespaced {
		return kind + "/" + name
	}
	return kind + "/" + namespace + "/" + name
}

func (d *decoder) name(name string, n *node, at place, s scope) {
	if name == "" {
		if v := n.get("name"); v != nil && v.kind != null && v.kind != text {
			return // its type has been reported
		}
		hint := "add metadata.name"
		if n.string("generateName") != "" {
			hint = "generateName is replaced by a name only in the cluster; add metadata.name"
		}
		d.errorf(codeIdentity, at, hint, "metadata.name is missing")
		return
	}
	check := validation.IsDNS1123Subdomain
	if s.label {
		check = validation.IsDNS1123Label
	}
	if msgs := check(name); len(msgs) > 0 {
		d.errorf(codeIdentity, at, "", "%q is not a valid name: %s", name, brief(msgs))
	}
}

func (d *decoder) namespaceName(name string, at place, s scope) {
	if !s.namespaced {
		return
	}
	if msgs := validation.IsDNS1123Label(name); len(msgs) > 0 {
		d.errorf(codeIdentity, at, "", "%q is not a valid namespace name: %s", name, brief(msgs))
	}
}

// owner returns the controlling owner, or the first one when none is marked.
func (d *decoder) owner(n *node) ownerRef {
	var owner ownerRef
	for i, f := range d.items(n, "metadata.ownerReferences") {
		ref := &f.value
		if ref.kind != object {
			d.wrongType(ref, "an item of metadata.ownerReferences", "a mapping")
			continue
		}
		controller := d.boolean(ref.get("controller"), "controller")
		if i == 0 || controller {
			owner = ownerRef{ref.string("kind"), ref.string("name")}
		}
		if controller {
			break
		}
	}
	return owner
}

// objectMetaFields are the fields of ObjectMeta with their types.
var objectMetaFields = map[string]kind{
	"name": text, "generateName": text, "namespace": text, "selfLink": text, "uid": text,
	"resourceVersion": text, "generation": integer, "creationTimestamp": text,
	"deletionTimestamp": text, "deletionGracePeriodSeconds": integer, "labels": object,
	"annotations": object, "ownerReferences": list, "finalizers": list, "managedFields": list,
}

var ownerReferenceFields = []string{"apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"}

var managedFieldsFields = []string{"manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"}

// strictMetadata reports what the API server would not accept in a policy's
// metadata, beyond what metadata reads.
func (d *decoder) strictMetadata(n *node) {
	if n == nil || n.kind != object {
		return
	}
	for i := range n.children {
		f := &n.children[i]
		want, known := objectMetaFields[f.key]
		switch {
		case !known:
			d.unknown(f, "metadata", "name", "namespace", "labels", "annotations")
		case f.key == "annotations":
			d.annotations(&f.value)
		case f.key == "ownerReferences":
			d.knownFields(&f.value, "ownerReferences", ownerReferenceFields)
		case f.key == "managedFields":
			d.knownFields(&f.value, "managedFields", managedFieldsFields)
		case f.key == "name" || f.key == "namespace" || f.key == "labels" || f.value.kind == null:
			// Read by metadata, or absent.
		case f.value.kind != want:
			d.wrongType(&f.value, "metadata."+f.key, want.String())
		}
	}
}

func (d *decoder) annotations(n *node) {
	for i, f := range d.fields(n, "metadata.annotations") {
		d.text(&n.children[i].value, "the value of annotation "+f.key)
		// Unlike those of labels, their keys may have upper-case prefixes.
		d.labelKey(strings.ToLower(f.key), f.at)
	}
}

func (d *decoder) knownFields(n *node, what string, known []string) {
	for _, item := range d.items(n, "metadata."+what) {
		for i := range d.fields(&item.value, "an item of metadata."+what) {
			if f := &item.value.children[i]; !slices.Contains(known, f.key) {
				d.unknown(f, what, known...)
			}
		}
	}
}
