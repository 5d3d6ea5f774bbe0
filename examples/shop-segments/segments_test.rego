package sluice.segments_test

import data.sluice.segments

pod(namespace, nslabels, labels) := {
	"kind": "pod",
	"labels": labels,
	"namespace": {"name": namespace, "labels": nslabels},
}

shop := {"tenant": "shop", "env": "prod"}

acme := {"tenant": "acme", "env": "prod"}

shared := {"tenant": "shared", "env": "prod"}

pci := object.union(shop, {"pci": "in-scope"})

tcp(src, dst, port) := {"src": src, "dst": dst, "protocol": "TCP", "port": port}

ids(rules) := {rule.id | some rule in rules}

metadata_ids(rules) := {rule.custom.sluice.id | some rule in rules; rule.custom}

test_tenants_are_apart if {
	metadata_ids(segments.deny) == {"tenants-apart"} with input as tcp(pod("legacy", acme, {}), pod("shop", shop, {}), 80)
}

test_but_not_from_shared if {
	count(segments.deny) == 0 with input as tcp(pod("monitoring", shared, {}), pod("shop", shop, {}), 9102)
	count(segments.deny) == 0 with input as tcp(pod("legacy", acme, {}), pod("kube-system", shared, {}), 53)
}

test_environments_are_apart if {
	metadata_ids(segments.deny) == {"environments-apart"} with input as tcp(
		pod("shop-test", {"tenant": "shop", "env": "test"}, {}),
		pod("shop", shop, {}), 80,
	)
}

test_checkout_reaches_pci if {
	ids(segments.pass) == {"pci-from-checkout"} with input as tcp(pod("shop", shop, {"app": "checkout"}), pod("payments", pci, {}), 8443)
}

test_nobody_else_does if {
	count(segments.pass) == 0 with input as tcp(pod("shop", shop, {"app": "frontend"}), pod("payments", pci, {}), 8443)
	metadata_ids(segments.deny) == {"pci-closed"} with input as tcp(pod("shop", shop, {"app": "frontend"}), pod("payments", pci, {}), 8443)
}

test_quarantine_wins_over_pass if {
	"quarantine-from" in metadata_ids(segments.deny) with input as tcp(
		pod("shop", shop, {"app": "checkout", "quarantine": "true"}),
		pod("payments", pci, {}), 8443,
	)
}

test_break_glass if {
	metadata_ids(segments.allow) == {"break-glass"} with input as tcp(
		pod("ops", shared, {"break-glass": "INC-1234"}),
		pod("data", shop, {"app": "postgres"}), 5432,
	)
	count(segments.allow) == 0 with input as tcp(
		pod("ops", shared, {"break-glass": "INC-1234"}),
		pod("data", shop, {"app": "postgres"}), 8080,
	)
}
