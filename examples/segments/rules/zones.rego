package sluice.segments

# Zones may talk as data.zones.edges says, on the ports that it lists.
allow contains {"id": sprintf("zone-%s-to-%s", [e.from, e.to]), "priority": 100} if {
	some e in data.zones.edges
	input.src.namespace.labels.zone == e.from
	input.dst.namespace.labels.zone == e.to
	input.protocol == "TCP"
	input.port in e.ports
}

# Within a zone, everything goes on to the NetworkPolicies.
pass contains {"id": sprintf("within-%s", [zone]), "priority": 200} if {
	some zone in data.zones.names
	input.src.namespace.labels.zone == zone
	input.dst.namespace.labels.zone == zone
}

# METADATA
# title: nobody else reaches the restricted zone
# description: whoever is not allowed by an edge; nodes and addresses outside included
# custom: {sluice: {priority: 300, log: true}}
deny contains rego.metadata.rule() if {
	input.dst.namespace.labels.zone == "restricted"
}

# METADATA
# title: pods without a zone stay among themselves
# custom: {sluice: {priority: 300}}
deny contains rego.metadata.rule() if {
	input.src.kind == "pod"
	not has_zone(input.src)
	has_zone(input.dst)
}

has_zone(endpoint) if endpoint.namespace.labels.zone in data.zones.names
