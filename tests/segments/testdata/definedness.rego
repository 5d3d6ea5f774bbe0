package sluice.segments

deny contains {"id": "another-app"} if {
	x := input.src.labels.app
	not x == "a"
	input.dst.labels.app
}

allow contains {"id": "another-tier"} if other(input.dst)

other(e) if not e.labels.tier in {"a", "b"}
