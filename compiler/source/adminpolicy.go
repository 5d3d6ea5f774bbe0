package source

// adminPolicy reads the cluster-wide policies of policy.networking.k8s.io. None
// of them is understood yet, and to leave one out would allow what it denies:
// every kind of the group is refused.
func (r *reader) adminPolicy(d *decoder, n *node, _ []duplicate, meta typeMeta) {
	d.object = objectName(meta.kind, "", n.get("metadata").string("name"), false)
	d.errorf(codeUnknown, n.at, "remove it from the input to compile without it",
		"%s of %s is not supported yet, and leaving it out could allow what it denies", meta.kind, meta.apiVersion)
}
