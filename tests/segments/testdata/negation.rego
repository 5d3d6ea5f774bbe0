package sluice.segments

deny contains {"id": "untrusted"} if {
	input.src.kind == "pod"
	input.dst.labels.app == "a"
	not trusted(input.src)
}

trusted(e) if e.labels.app == "a"

trusted(e) if {
	e.labels.tier in {"a", "b"}
	e.namespace.labels.app == "a"
}

deny contains {"id": "unlabelled"} if {
	input.dst.kind in {"pod", "node"}
	not input.dst.labels.tier
	input.src.namespace.name == "x"
}
