package sluice.segments

allow contains {"id": "same-app"} if {
	input.src.labels.app == input.dst.labels.app
	input.src.kind == "pod"
}

deny contains {"id": "foreign-tier"} if {
	input.src.namespace.labels.tier != input.dst.namespace.labels.tier
}
