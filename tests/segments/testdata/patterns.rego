package sluice.segments

deny contains {"id": "pattern"} if {
	regex.match("^[ab]$", input.src.labels.app)
	not startswith(input.dst.labels.app, "a")
	not startswith(input.dst.namespace.name, "w")
	input.dst.kind == "pod"
}

allow contains {"id": "upper"} if upper(input.dst.labels.tier) == "A"

pass contains {"id": "get"} if {
	object.get(input.src.labels, "tier", "none") in {"none", "c"}
	input.src.kind == "pod"
}
