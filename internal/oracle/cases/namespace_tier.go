package cases

import "github.com/sluice-net/sluice/internal/model"

// namespaceCases are about what NetworkPolicies select, isolate and add up to.
func namespaceCases() []draft {
	return []draft{
		{
			name: "no policy", source: "NP ingress, egress: pods that nothing selects",
			asks: []ask{
				{"x/a -> y/b 80/TCP", allow, allow},
				{"x/a -> y/b ICMP", allow, allow},
				{"203.0.113.9 -> x/a 80/TCP", ungoverned, allow},
				{"x/a -> 203.0.113.9 80/TCP", allow, ungoverned},
				{"203.0.113.9 -> 192.0.2.1 80/TCP", ungoverned, ungoverned},
			},
		},
		{
			name: "no policy, default deny", source: "Sluice: default verdict", fallback: deny,
			policies: []model.Policy{ingress(np("x", "open", is("pod", "a")), rule())},
			asks: []ask{
				{"y/b -> x/a 80/TCP", deny, allow},
				{"x/a -> y/b 80/TCP", deny, deny},
				{"203.0.113.9 -> x/a 80/TCP", ungoverned, allow},
				{"x/b -> x/b 80/TCP", allow, allow},
				{"node:n1 -> y/a 80/TCP", ungoverned, allow},
			},
		},
		{
			name: "empty podSelector selects the whole namespace", source: "case 1, NP podSelector",
			policies: []model.Policy{ingress(np("x", "all"))},
			asks: []ask{
				{"y/a -> x/a 80/TCP", allow, deny},
				{"y/a -> x/c 80/TCP", allow, deny},
				{"x/a -> x/b 80/TCP", allow, deny},
				{"x/a -> y/a 80/TCP", allow, allow},
			},
		},
		{
			name: "podSelector selects some pods", source: "NP podSelector",
			policies: []model.Policy{ingress(np("x", "only-a", is("pod", "a")))},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, deny},
				{"y/b -> x/b 80/TCP", allow, allow},
				{"y/b -> y/a 80/TCP", allow, allow},
			},
		},
		{
			name: "absent from matches all sources", source: "case 2, NP from",
			policies: []model.Policy{ingress(np("x", "any-peer"), rule())},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"203.0.113.9 -> x/a 80/TCP", ungoverned, allow},
				{"2001:db8:9::9 -> x/a 80/TCP", ungoverned, allow},
				{"node:n2 -> x/a 80/TCP", ungoverned, allow},
			},
		},
		{
			name: "no peers left matches nothing", source: "model: an empty list of peers without AnyPeer",
			policies: []model.Policy{ingress(np("x", "no-peer"), between(rule()))},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, deny},
				{"203.0.113.9 -> x/a 80/TCP", ungoverned, deny},
			},
		},
		{
			name: "no rules denies all", source: "case 5, NP ingress",
			policies: []model.Policy{ingress(np("x", "none"))},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, deny},
				{"203.0.113.9 -> x/a 80/TCP", ungoverned, deny},
				{"x/a -> y/b 80/TCP", allow, allow},
				{"y/b -> x/a ICMP", allow, deny},
			},
		},
		{
			name: "one empty rule allows all", source: "case 5, NP ingress",
			policies: []model.Policy{ingress(np("x", "everything"), rule())},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 1/SCTP", allow, allow},
				{"203.0.113.9 -> x/a ICMP", ungoverned, allow},
			},
		},
		{
			name: "ingress policy leaves egress alone", source: "case 6, NP policyTypes",
			policies: []model.Policy{ingress(np("x", "in-only"))},
			asks: []ask{
				{"x/a -> y/b 80/TCP", allow, allow},
				{"x/a -> 203.0.113.9 80/TCP", allow, ungoverned},
			},
		},
		{
			name: "policyTypes Egress ignores ingress rules", source: "case 7, NP policyTypes",
			policies: []model.Policy{
				without(egress(ingress(np("x", "out-only"), on(rule(), "80/TCP")), on(rule(), "53/UDP")), model.Ingress),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 81/TCP", allow, allow},
				{"x/a -> y/b 53/UDP", allow, allow},
				{"x/a -> y/b 80/TCP", deny, allow},
			},
		},
		{
			name: "both directions in one policy", source: "NP policyTypes",
			policies: []model.Policy{egress(ingress(np("x", "both", is("pod", "a")), on(rule(), "80/TCP")))},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 81/TCP", allow, deny},
				{"x/a -> y/b 80/TCP", deny, allow},
			},
		},
		{
			name: "policies add up", source: "case 8, NP podSelector",
			policies: []model.Policy{
				ingress(np("x", "a-deny")),
				ingress(np("x", "b-from-y"), between(rule(), podsIn("y"))),
				ingress(np("x", "c-port"), on(rule(), "443/TCP")),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"z/b -> x/a 80/TCP", allow, deny},
				{"z/b -> x/a 443/TCP", allow, allow},
			},
		},
		{
			name: "an allow-all wins over a deny-all", source: "case 8",
			policies: []model.Policy{ingress(np("x", "open"), rule()), ingress(np("x", "shut"))},
			asks:     []ask{{"y/b -> x/a 80/TCP", allow, allow}},
		},
		{
			name: "both ends have to allow", source: "case 9, docs: egress and ingress",
			policies: []model.Policy{
				egress(np("x", "out", is("pod", "a")), between(rule(), podsIn("y", is("pod", "b")))),
				ingress(np("y", "in"), between(rule(), podsIn("x", is("pod", "a")))),
			},
			asks: []ask{
				{"x/a -> y/b 80/TCP", allow, allow},
				{"x/a -> y/c 80/TCP", deny, allow},
				{"x/b -> y/b 80/TCP", allow, deny},
				{"x/a -> z/c 80/TCP", deny, allow},
			},
		},
		{
			name: "expressions select subjects", source: "LabelSelector operators",
			pods: []model.Pod{
				pod("x", "web", "app=web,tier=front", "10.0.1.1"),
				pod("x", "db", "app=db", "10.0.1.2"),
				pod("x", "bare", "", "10.0.1.3"),
				pod("y", "probe", "", "10.0.1.4"),
			},
			policies: []model.Policy{
				ingress(np("x", "in", in("app", "web", "api")), on(rule(), "1/TCP")),
				ingress(np("x", "notin", notIn("app", "web", "api")), on(rule(), "2/TCP")),
				ingress(np("x", "exists", exists("tier")), on(rule(), "3/TCP")),
				ingress(np("x", "absent", absent("tier")), on(rule(), "4/TCP")),
				ingress(np("x", "and", exists("app"), absent("tier")), on(rule(), "5/TCP")),
				ingress(np("x", "never", is("app", "web"), is("app", "db")), on(rule(), "6/TCP")),
			},
			asks: []ask{
				{"y/probe -> x/web 1/TCP", allow, allow},
				{"y/probe -> x/web 2/TCP", allow, deny},
				{"y/probe -> x/web 3/TCP", allow, allow},
				{"y/probe -> x/web 4/TCP", allow, deny},
				{"y/probe -> x/web 5/TCP", allow, deny},
				{"y/probe -> x/web 6/TCP", allow, deny},
				{"y/probe -> x/db 1/TCP", allow, deny},
				{"y/probe -> x/db 2/TCP", allow, allow},
				{"y/probe -> x/db 3/TCP", allow, deny},
				{"y/probe -> x/db 4/TCP", allow, allow},
				{"y/probe -> x/db 5/TCP", allow, allow},
				{"y/probe -> x/db 6/TCP", allow, deny},
				{"y/probe -> x/bare 1/TCP", allow, deny},
				{"y/probe -> x/bare 2/TCP", allow, allow},
				{"y/probe -> x/bare 3/TCP", allow, deny},
				{"y/probe -> x/bare 4/TCP", allow, allow},
				{"y/probe -> x/bare 5/TCP", allow, deny},
			},
		},
	}
}
