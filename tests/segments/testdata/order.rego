package sluice.segments

# Ties: deny, then pass, then allow; lower numbers first.
allow contains {"id": "allow-a"} if input.src.labels.app == "a"

pass contains {"id": "pass-b"} if input.dst.labels.app == "b"

deny contains {"id": "deny-c"} if input.src.labels.tier == "c"

allow contains {"id": "early", "priority": 1} if {
	input.src.labels.tier == "c"
	input.dst.labels.tier == "c"
}

deny contains {"id": "late", "priority": 2000, "matchAll": true} if true
