package sluice.segments

allow contains {"id": "high"} if {
	input.port >= 1024
	input.port < 8080
}

deny contains {"id": "not-web"} if {
	input.protocol == "TCP"
	not web
	input.dst.labels.app == "b"
}

web if input.port in {80, 443}

web if input.port > 60000

pass contains {"id": "low"} if {
	input.port != 79
	input.port <= 1023.5
}
