package sluice.segments

# What nothing allows is denied: data.sluice.config.default.
allow contains {"id": "dns"} if {
	input.dst.namespace.name == "w"
	[input.protocol, input.port] in {["UDP", 53], ["TCP", 53]}
}

allow contains {"id": "same-namespace"} if input.src.namespace.name == input.dst.namespace.name

pass contains {"id": "from-nodes"} if input.src.kind == "node"
