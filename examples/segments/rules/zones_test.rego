package sluice.segments_test

import data.sluice.segments

# pod is an endpoint of a namespace in a zone.
pod(zone) := {
	"kind": "pod",
	"labels": {},
	"namespace": {"name": "n", "labels": {"zone": zone}},
}

outside := {"kind": "ip", "ip": "203.0.113.9", "labels": {}, "namespace": {"name": "", "labels": {}}}

connection(src, dst, port) := {"src": src, "dst": dst, "protocol": "TCP", "port": port}

ids(rules) := {rule.id | some rule in rules}

test_internal_reaches_restricted if {
	ids(segments.allow) == {"zone-internal-to-restricted"} with input as connection(pod("internal"), pod("restricted"), 5432)
}

test_only_on_the_port if {
	count(segments.allow) == 0 with input as connection(pod("internal"), pod("restricted"), 22)
}

test_the_edge_does_not_reach_restricted if {
	count(segments.allow) == 0 with input as connection(pod("edge"), pod("restricted"), 5432)
	count(segments.deny) == 1 with input as connection(pod("edge"), pod("restricted"), 5432)
}

test_nor_does_the_outside if {
	count(segments.deny) == 1 with input as connection(outside, pod("restricted"), 5432)
}

test_a_zone_among_itself if {
	ids(segments.pass) == {"within-edge"} with input as connection(pod("edge"), pod("edge"), 80)
}
