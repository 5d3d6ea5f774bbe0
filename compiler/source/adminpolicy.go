package source

import (
	"github.com/sluice-net/sluice/compiler/source/document"
)

// adminPolicy reads the cluster-wide policies of policy.networking.k8s.io. None
// of them is understood yet, and to leave one out would allow what it denies:
// every kind of the group is refused.
func (r *reader) adminPolicy(d *decoder, n *document.Node, _ []document.Duplicate, meta typeMeta) {
	d.object = objectName(meta.kind, "", n.Get("metadata").TextOf("name"), false)
	d.errorf(codeUnknown, n.At, "remove it from the input to compile without it",
		"%s of %s is not supported yet, and leaving it out could allow what it denies", meta.kind, meta.apiVersion)
}
