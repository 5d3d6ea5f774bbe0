package sluice.segments

import data.library.zones

default restricted := false

restricted if zones.of(input.dst) == "secret"

deny contains {"id": "restricted"} if {
	input.src.kind == "pod"
	restricted
	not admin
}

# METADATA
# title: administrators may reach everything restricted
# custom: {sluice: {priority: 5}}
allow contains rego.metadata.rule() if {
	restricted
	admin
}

admin if {
	input.src.kind == "pod"
	input.src.labels.tier == "a"
}

admin if input.src.namespace.name == "y"
