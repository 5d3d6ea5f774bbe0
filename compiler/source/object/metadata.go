package object

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/model"
)

// metadata is what is read of an object's metadata.
type metadata struct {
	name      string
	namespace string
	labels    model.Labels
	owner     Owner
}

// Owner names the controller of an object; zero when it has none.
type Owner struct{ Kind, Name string }

// scope tells how the names of a kind are formed.
type scope struct {
	namespaced bool
	label      bool // the name is a DNS label rather than a DNS subdomain
}

const defaultNamespace = "default"

// metadata reads the metadata of an object of any kind, which must have a
// name, and sets the name of the object for findings.
func (d *decoder) metadata(doc *document.Node, kind string, s scope) metadata {
	m := metadata{}
	n := doc.Get("metadata")
	if n != nil && n.Kind == document.Object {
		m.namespace = n.TextOf("namespace")
		m.name = n.TextOf("name")
	}
	if s.namespaced && m.namespace == "" {
		m.namespace = defaultNamespace
	}
	// The name comes first, so that findings about the rest can say whose.
	d.object = Ref(kind, m.namespace, m.name, s.namespaced)
	at := doc.At
	for i, f := range d.fields(n, "metadata") {
		v := &n.Children[i].Value
		switch f.Key {
		case "name":
			d.text(v, "metadata.name")
			at = v.At
		case "namespace":
			d.text(v, "metadata.namespace")
			d.namespaceName(m.namespace, v.At, s)
		case "labels":
			m.labels = d.labels(v, "metadata.labels")
		case "ownerReferences":
			m.owner = d.owner(v)
		}
	}
	d.name(m.name, n, at, s)
	return m
}

// Ref returns "Kind/namespace/name", or "Kind/name" for a kind that is not
// namespaced.
func Ref(kind, namespace, name string, namespaced bool) string {
	if name == "" {
		name = "(no name)"
	}
	if !namespaced {
		return kind + "/" + name
	}
	return kind + "/" + namespace + "/" + name
}

func (d *decoder) name(name string, n *document.Node, at document.Place, s scope) {
	if name == "" {
		if v := n.Get("name"); v != nil && v.Kind != document.Null && v.Kind != document.Text {
			return // its type has been reported
		}
		hint := "add metadata.name"
		if n.TextOf("generateName") != "" {
			hint = "generateName is replaced by a name only in the cluster; add metadata.name"
		}
		d.errorf(CodeIdentity, at, hint, "metadata.name is missing")
		return
	}
	check := validation.IsDNS1123Subdomain
	if s.label {
		check = validation.IsDNS1123Label
	}
	if msgs := check(name); len(msgs) > 0 {
		d.errorf(CodeIdentity, at, "", "%q is not a valid name: %s", name, brief(msgs))
	}
}

func (d *decoder) namespaceName(name string, at document.Place, s scope) {
	if !s.namespaced {
		return
	}
	if msgs := validation.IsDNS1123Label(name); len(msgs) > 0 {
		d.errorf(CodeIdentity, at, "", "%q is not a valid namespace name: %s", name, brief(msgs))
	}
}

// owner returns the controlling owner, or the first one when none is marked.
func (d *decoder) owner(n *document.Node) Owner {
	var owner Owner
	for i, f := range d.items(n, "metadata.ownerReferences") {
		ref := &f.Value
		if ref.Kind != document.Object {
			d.wrongType(ref, "an item of metadata.ownerReferences", "a mapping")
			continue
		}
		controller := d.boolean(ref.Get("controller"), "controller")
		if i == 0 || controller {
			owner = Owner{ref.TextOf("kind"), ref.TextOf("name")}
		}
		if controller {
			break
		}
	}
	return owner
}

// objectMetaFields are the fields of ObjectMeta with their types.
var objectMetaFields = map[string]document.Kind{
	"name": document.Text, "generateName": document.Text, "namespace": document.Text, "selfLink": document.Text, "uid": document.Text,
	"resourceVersion": document.Text, "generation": document.Integer, "creationTimestamp": document.Text,
	"deletionTimestamp": document.Text, "deletionGracePeriodSeconds": document.Integer, "labels": document.Object,
	"annotations": document.Object, "ownerReferences": document.List, "finalizers": document.List, "managedFields": document.List,
}

var ownerReferenceFields = []string{"apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"}

var managedFieldsFields = []string{"manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"}

// strictMetadata reports what the API server would not accept in a policy's
// metadata, beyond what metadata reads.
func (d *decoder) strictMetadata(n *document.Node) {
	if n == nil || n.Kind != document.Object {
		return
	}
	for i := range n.Children {
		f := &n.Children[i]
		want, known := objectMetaFields[f.Key]
		switch {
		case !known:
			d.unknown(f, "metadata", "name", "namespace", "labels", "annotations")
		case f.Key == "annotations":
			d.annotations(&f.Value)
		case f.Key == "ownerReferences":
			d.knownFields(&f.Value, "ownerReferences", ownerReferenceFields)
		case f.Key == "managedFields":
			d.knownFields(&f.Value, "managedFields", managedFieldsFields)
		case f.Key == "name" || f.Key == "namespace" || f.Key == "labels" || f.Value.Kind == document.Null:
			// Read by metadata, or absent.
		case f.Value.Kind != want:
			d.wrongType(&f.Value, "metadata."+f.Key, want.String())
		}
	}
}

func (d *decoder) annotations(n *document.Node) {
	for i, f := range d.fields(n, "metadata.annotations") {
		d.text(&n.Children[i].Value, "the value of annotation "+f.Key)
		// Unlike those of labels, their keys may have upper-case prefixes.
		d.labelKey(strings.ToLower(f.Key), f.At)
	}
}

func (d *decoder) knownFields(n *document.Node, what string, known []string) {
	for _, item := range d.items(n, "metadata."+what) {
		for i := range d.fields(&item.Value, "an item of metadata."+what) {
			if f := &item.Value.Children[i]; !slices.Contains(known, f.Key) {
				d.unknown(f, what, known...)
			}
		}
	}
}
