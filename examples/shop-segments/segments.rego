package sluice.segments

# The segmentation of the shop: what no team's NetworkPolicy can open, and what
# stays open when every NetworkPolicy is wrong. Lower numbers go first.

# METADATA
# title: break glass
# description: >-
#   A pod of namespace ops with a ticket in its label reaches shells and
#   databases everywhere. Every use is logged.
# custom: {sluice: {id: break-glass, priority: 1, log: true}}
allow contains rego.metadata.rule() if {
	input.src.namespace.name == "ops"
	input.src.labels["break-glass"]
	input.protocol == "TCP"
	input.port in data.segmentation.break_glass_ports
}

# METADATA
# title: quarantine, what a pod sends
# description: Label a pod quarantine=true, and it is alone.
# custom: {sluice: {id: quarantine-from, priority: 10, log: true}}
deny contains rego.metadata.rule() if {
	input.src.labels.quarantine == "true"
}

# METADATA
# title: quarantine, what a pod gets
# custom: {sluice: {id: quarantine-to, priority: 10, log: true}}
deny contains rego.metadata.rule() if {
	input.dst.labels.quarantine == "true"
}

# METADATA
# title: tenants are apart
# description: Namespaces of one tenant do not reach those of another, unless one of the two is shared.
# custom: {sluice: {id: tenants-apart, priority: 100}}
deny contains rego.metadata.rule() if {
	input.src.namespace.labels.tenant != input.dst.namespace.labels.tenant
	input.src.namespace.labels.tenant != data.segmentation.shared_tenant
	input.dst.namespace.labels.tenant != data.segmentation.shared_tenant
}

# METADATA
# title: environments are apart
# description: What is in test does not reach production, nor the other way around.
# custom: {sluice: {id: environments-apart, priority: 110}}
deny contains rego.metadata.rule() if {
	input.src.namespace.labels.env != input.dst.namespace.labels.env
}

# Into the PCI zone goes what data.segmentation.pci lists, as far as the zone's
# own NetworkPolicies let it.
pass contains {"id": sprintf("pci-from-%s", [e.app]), "priority": 200} if {
	some e in data.segmentation.pci
	input.src.namespace.name == e.namespace
	input.src.labels.app == e.app
	input.dst.namespace.labels.pci == "in-scope"
	input.protocol == "TCP"
	input.port in e.ports
}

# METADATA
# title: nothing else gets into the PCI zone
# description: Nodes and addresses outside included.
# custom: {sluice: {id: pci-closed, priority: 210, log: true}}
deny contains rego.metadata.rule() if {
	input.dst.namespace.labels.pci == "in-scope"
}
