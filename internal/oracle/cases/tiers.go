package cases

import "github.com/sluice-net/sluice/internal/model"

// tierCases are about the tiers around NetworkPolicy.
func tierCases() []draft {
	admin := func(name string, priority int32, rules ...model.Rule) model.Policy {
		return ingress(cnp(model.TierAdmin, name, priority, "x"), rules...)
	}
	baseline := func(name string, priority int32, rules ...model.Rule) model.Policy {
		return ingress(cnp(model.TierBaseline, name, priority, "x"), rules...)
	}
	segment := ingress(cnp(model.TierSegment, "web", 5, "x"), on(says(deny), "70-79/TCP"), on(says(allow), "75-85/TCP"))
	segment.Kind = "Segment"
	older := func(name string, rules ...model.Rule) model.Policy {
		p := admin(name, 1, rules...)
		p.Kind = "AdminNetworkPolicy"
		return p
	}
	return []draft{
		{
			name: "cluster policies isolate nothing", source: "case 31, CNP ingress",
			policies: []model.Policy{
				admin("admin", 1, on(says(allow), "80/TCP")),
				baseline("empty", 1),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 81/TCP", allow, allow},
				{"x/a -> y/b 81/TCP", allow, allow},
			},
		},
		{
			name: "first match by priority, then rule order", source: "case 32, CNP priority",
			policies: []model.Policy{
				admin("late", 20, on(says(allow), "80-82/TCP"), on(says(deny), "83/TCP")),
				admin("early", 10, on(says(deny), "80/TCP"), on(says(allow), "80-81/TCP"), on(says(deny), "81/TCP")),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, deny},
				{"y/b -> x/a 81/TCP", allow, allow},
				{"y/b -> x/a 82/TCP", allow, allow},
				{"y/b -> x/a 83/TCP", allow, deny},
				{"y/b -> x/a 84/TCP", allow, allow},
			},
		},
		{
			name: "admin deny beats NetworkPolicy, admin allow too", source: "case 32, CNP tier",
			policies: []model.Policy{
				admin("admin", 1, on(says(deny), "80/TCP"), on(says(allow), "81/TCP")),
				ingress(np("x", "only-80"), on(rule(), "80/TCP")),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, deny},
				{"y/b -> x/a 81/TCP", allow, allow},
				{"y/b -> x/a 82/TCP", allow, deny},
			},
		},
		{
			name: "pass skips the rest of the tier", source: "case 33, CNP Pass",
			policies: []model.Policy{
				admin("first", 1, on(says(pass), "80/TCP")),
				admin("second", 2, says(deny)),
				baseline("base", 1, on(says(deny), "80-81/TCP")),
				ingress(np("x", "c", is("pod", "c")), on(rule(), "80/TCP")),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, deny},
				{"y/b -> x/c 80/TCP", allow, allow},
				{"y/b -> x/c 81/TCP", allow, deny},
			},
		},
		{
			name: "pass in baseline leaves the default", source: "case 33",
			policies: []model.Policy{baseline("base", 1, on(says(pass), "80/TCP"), says(deny))},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 81/TCP", allow, deny},
			},
		},
		{
			name: "NetworkPolicy is final for its pods", source: "case 34, CNP Baseline",
			policies: []model.Policy{
				baseline("base", 1, on(says(allow), "80/TCP"), says(deny)),
				ingress(np("x", "a", is("pod", "a")), on(rule(), "81/TCP")),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, deny},
				{"y/b -> x/a 81/TCP", allow, allow},
				{"y/b -> x/b 80/TCP", allow, allow},
				{"y/b -> x/b 81/TCP", allow, deny},
			},
		},
		{
			name: "NetworkPolicy is final for its direction only", source: "case 34, CNP Baseline",
			policies: []model.Policy{
				egress(cnp(model.TierBaseline, "base", 1, "x"), says(deny)),
				ingress(np("x", "in"), rule()),
			},
			asks: []ask{
				{"x/a -> y/b 80/TCP", deny, allow},
				{"y/b -> x/a 80/TCP", allow, allow},
			},
		},
		{
			name: "equal priorities go by name, then kind", source: "case 35, Sluice",
			policies: []model.Policy{
				admin("b", 1, says(deny)),
				admin("a", 1, on(says(allow), "80-82/TCP")),
				admin("a.a", 1, on(says(deny), "81/TCP")),
				older("a", on(says(deny), "82/TCP")),
				older("z", says(deny)),
				admin("y", 1, on(says(allow), "84/TCP")),
				admin("0", 1, on(says(allow), "84/TCP")),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 81/TCP", allow, allow},
				{"y/b -> x/a 82/TCP", allow, deny},
				{"y/b -> x/a 83/TCP", allow, deny},
				{"y/b -> x/a 84/TCP", allow, allow},
			},
		},
		{
			name: "segment rules stand between admin and NetworkPolicy", source: "Sluice: tiers",
			policies: []model.Policy{
				admin("admin", 1, on(says(allow), "72/TCP"), on(says(pass), "73/TCP")),
				segment,
				ingress(np("x", "some"), on(rule(), "70-72/TCP", "90/TCP")),
			},
			asks: []ask{
				{"y/b -> x/a 70/TCP", allow, deny},
				{"y/b -> x/a 72/TCP", allow, allow},
				{"y/b -> x/a 73/TCP", allow, deny},
				{"y/b -> x/a 79/TCP", allow, deny},
				{"y/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 86/TCP", allow, deny},
				{"y/b -> x/a 90/TCP", allow, allow},
			},
		},
		{
			name: "a rule whose peers are unknown", source: "case 36, CNP peers: allow matches nothing, deny everything",
			policies: []model.Policy{admin("odd", 1, between(on(says(allow), "80/TCP")), on(says(deny), "80-81/TCP"))},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, deny},
				{"y/b -> x/a 81/TCP", allow, deny},
				{"y/b -> x/a 82/TCP", allow, allow},
			},
		},
		{
			name: "nodes by label", source: "case 37, CNP nodes",
			policies: []model.Policy{
				egress(cnp(model.TierAdmin, "nodes", 1, "x"),
					on(between(says(deny), nodesWhere()), "6443/TCP"),
					on(between(says(deny), nodesWhere(is("zone", "west"))), "22/TCP")),
			},
			asks: []ask{
				{"x/a -> node:n1 6443/TCP", deny, ungoverned},
				{"x/a -> node:n2@2001:db8::2 6443/TCP", deny, ungoverned},
				{"x/a -> 192.0.2.2 22/TCP", deny, ungoverned},
				{"x/a -> node:n1 22/TCP", allow, ungoverned},
				{"x/a -> 203.0.113.9 6443/TCP", allow, ungoverned},
				{"x/a -> y/b 6443/TCP", allow, allow},
			},
		},
		{
			name: "networks cover pods and traffic without ports", source: "cases 28 and 37, CNP networks",
			policies: []model.Policy{
				egress(cnp(model.TierAdmin, "world", 1, "x"), between(says(deny), block("0.0.0.0/0"))),
			},
			asks: []ask{
				{"x/a -> y/b@10.0.2.12 80/TCP", deny, allow},
				{"x/a -> y/b@fd00:2::12 80/TCP", allow, allow},
				{"x/a -> 203.0.113.9 ICMP", deny, ungoverned},
				{"x/a -> x/a@10.0.1.1 80/TCP", allow, allow},
			},
		},
		{
			name: "a domain's addresses are not known", source: "case 39, NPEP-133",
			policies: []model.Policy{
				egress(cnp(model.TierAdmin, "fqdn", 1, "x"),
					between(says(allow), model.Peer{Kind: model.PeerDomain, Domain: "example.com"}), says(deny)),
			},
			asks: []ask{
				{"x/a -> 203.0.113.9 443/TCP", deny, ungoverned},
				{"x/a -> y/b 53/UDP", deny, allow},
			},
		},
	}
}
