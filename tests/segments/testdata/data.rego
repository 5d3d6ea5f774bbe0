package sluice.segments

allow contains {"id": sprintf("edge-%d", [i])} if {
	some i, e in data.edges
	input.src.labels.app == e.from
	input.dst.labels.app == e.to
	input.port in e.ports
}

deny contains {"id": "partners"} if {
	input.src.labels.app in data.partners[input.dst.namespace.name]
}
