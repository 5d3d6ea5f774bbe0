package cases

import "github.com/sluice-net/sluice/internal/model"

// peerCases are about peers that are pods.
func peerCases() []draft {
	return []draft{
		{
			name: "podSelector alone stays in its own namespace", source: "case 10, NP podSelector of a peer",
			policies: []model.Policy{ingress(np("x", "from-b"), between(rule(), podsIn("x", is("pod", "b"))))},
			asks: []ask{
				{"x/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 80/TCP", allow, deny},
				{"x/c -> x/a 80/TCP", allow, deny},
			},
		},
		{
			name: "empty podSelector of a peer is the whole own namespace", source: "case 10, NP podSelector of a peer",
			policies: []model.Policy{ingress(np("x", "from-own"), between(rule(), podsIn("x")))},
			asks: []ask{
				{"x/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 80/TCP", allow, deny},
				{"203.0.113.9 -> x/a 80/TCP", ungoverned, deny},
				{"node:n2 -> x/a 80/TCP", ungoverned, deny},
			},
		},
		{
			name: "both selectors in one peer are ANDed", source: "case 11, NP namespaceSelector",
			policies: []model.Policy{
				ingress(np("x", "and"), between(rule(), podsWhere(byLabels(is("team", "y")), is("pod", "b")))),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"y/c -> x/a 80/TCP", allow, deny},
				{"x/b -> x/a 80/TCP", allow, deny},
				{"z/b -> x/a 80/TCP", allow, deny},
			},
		},
		{
			name: "two peers are ORed", source: "case 11, NP from",
			policies: []model.Policy{
				ingress(np("x", "or"), between(rule(), podsWhere(byLabels(is("team", "y"))), podsIn("x", is("pod", "b")))),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"y/c -> x/a 80/TCP", allow, allow},
				{"x/b -> x/a 80/TCP", allow, allow},
				{"x/c -> x/a 80/TCP", allow, deny},
				{"z/b -> x/a 80/TCP", allow, deny},
			},
		},
		{
			name: "empty namespaceSelector is all pods, and only pods", source: "NP namespaceSelector",
			policies: []model.Policy{ingress(np("x", "from-pods"), between(rule(), podsWhere(byLabels())))},
			asks: []ask{
				{"z/b -> x/a 80/TCP", allow, allow},
				{"203.0.113.9 -> x/a 80/TCP", ungoverned, deny},
				{"node:n2 -> x/a 80/TCP", ungoverned, deny},
			},
		},
		{
			name: "namespaces by the name label", source: "case 40, docs: targeting a namespace by its name",
			policies: []model.Policy{
				egress(np("x", "to-yz"), between(rule(), podsWhere(byLabels(in(model.NamespaceNameLabel, "y", "z"))))),
			},
			asks: []ask{
				{"x/a -> y/b 80/TCP", allow, allow},
				{"x/a -> z/b 80/TCP", allow, allow},
				{"x/a -> x/b 80/TCP", deny, allow},
			},
		},
		{
			name: "namespaces by expression", source: "LabelSelector operators",
			policies: []model.Policy{
				ingress(np("x", "not-y"), between(rule(), podsWhere(byLabels(notIn("team", "y"), exists("team")), notIn("pod", "c")))),
			},
			asks: []ask{
				{"z/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 80/TCP", allow, deny},
				{"x/b -> x/a 80/TCP", allow, allow},
				{"z/c -> x/a 80/TCP", allow, deny},
			},
		},
		{
			name: "peers and ports of one rule are ANDed, rules ORed", source: "NP ingress rule",
			policies: []model.Policy{
				ingress(np("x", "two"),
					on(between(rule(), podsIn("y")), "80/TCP"),
					on(between(rule(), podsIn("z")), "81/TCP")),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 81/TCP", allow, deny},
				{"z/b -> x/a 81/TCP", allow, allow},
				{"z/b -> x/a 80/TCP", allow, deny},
			},
		},
	}
}
