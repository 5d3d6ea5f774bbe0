package sluice.segments

deny contains {"id": "nodes-by-app"} if {
	input.src.kind == "node"
	input.src.labels.app == "a"
}

deny contains {"id": "to-nodes"} if {
	input.dst.kind == "node"
	not input.dst.labels.tier == "b"
	input.port == 443
}

allow contains {"id": "pods-and-nodes"} if {
	input.src.kind != "ip"
	input.src.labels.tier
	input.dst.labels.app
}
