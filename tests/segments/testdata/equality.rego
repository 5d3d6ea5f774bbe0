package sluice.segments

allow contains {"id": "a-to-b", "priority": 10} if {
	input.src.labels.app == "a"
	input.dst.labels.app == "b"
	input.protocol == "TCP"
	input.port in {80, 443}
}

deny contains {"id": "to-b", "priority": 20} if input.dst.labels.app == "b"
