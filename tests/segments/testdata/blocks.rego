package sluice.segments

allow contains {"id": "partner"} if {
	input.src.kind == "pod"
	some b in data.blocks
	net.cidr_contains(b, input.dst.ip)
	input.port == 443
}

deny contains {"id": "internet"} if {
	input.src.labels.tier == "a"
	net.cidr_contains("0.0.0.0/0", input.dst.ip)
	not net.cidr_contains("10.0.0.0/8", input.dst.ip)
	not net.cidr_contains("192.0.2.0/24", input.dst.ip)
}

pass contains {"id": "from-partner"} if {
	net.cidr_contains("203.0.113.0/24", input.src.ip)
	input.dst.labels.app == "a"
}
