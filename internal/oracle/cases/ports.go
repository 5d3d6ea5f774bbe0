package cases

import "github.com/sluice-net/sluice/internal/model"

// portCases are about ports and protocols.
func portCases() []draft {
	twoNumbers := []model.Pod{
		pod("x", "client", "app=client", "10.0.1.1"),
		declaring(pod("y", "old", "app=web", "10.0.1.2"), "http:80/TCP"),
		declaring(pod("y", "new", "app=web", "10.0.1.3"), "http:8080/TCP"),
		declaring(pod("y", "none", "app=web", "10.0.1.4")),
	}
	return []draft{
		{
			name: "ports from anywhere", source: "case 3, NP from and ports",
			policies: []model.Policy{ingress(np("x", "80"), on(rule(), "80/TCP"))},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"203.0.113.9 -> x/a 80/TCP", ungoverned, allow},
				{"203.0.113.9 -> x/a 79/TCP", ungoverned, deny},
				{"203.0.113.9 -> x/a 81/TCP", ungoverned, deny},
			},
		},
		{
			name: "absent ports are all protocols", source: "case 4, NP ports",
			policies: []model.Policy{ingress(np("x", "from-y"), between(rule(), podsIn("y")))},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, allow},
				{"y/b -> x/a 65535/SCTP", allow, allow},
				{"y/b -> x/a 0/UDP", allow, allow},
				{"y/b -> x/a ICMP", allow, allow},
				{"y/b@fd00:2::12 -> x/a@fd00:1::1 ICMPv6", allow, allow},
				{"y/b -> x/a 47", allow, allow},
				{"z/b -> x/a 47", allow, deny},
			},
		},
		{
			name: "a port is of one protocol", source: "case 12, NP protocol",
			policies: []model.Policy{ingress(np("x", "tcp"), on(rule(), "53/TCP"))},
			asks: []ask{
				{"y/b -> x/a 53/TCP", allow, allow},
				{"y/b -> x/a 53/UDP", allow, deny},
				{"y/b -> x/a 53/SCTP", allow, deny},
				{"y/b -> x/a ICMP", allow, deny},
			},
		},
		{
			name: "a protocol without port is all its ports", source: "case 12, NP port",
			policies: []model.Policy{ingress(np("x", "udp"), on(rule(), "*/UDP"))},
			asks: []ask{
				{"y/b -> x/a 0/UDP", allow, allow},
				{"y/b -> x/a 65535/UDP", allow, allow},
				{"y/b -> x/a 80/TCP", allow, deny},
				{"y/b -> x/a ICMP", allow, deny},
				{"y/b -> x/a 136", allow, deny},
			},
		},
		{
			name: "named port is the destination pod's, egress", source: "case 13, NP port",
			pods:     twoNumbers,
			policies: []model.Policy{egress(np("x", "http"), on(between(rule(), podsIn("y")), "http/TCP"))},
			asks: []ask{
				{"x/client -> y/old 80/TCP", allow, allow},
				{"x/client -> y/old 8080/TCP", deny, allow},
				{"x/client -> y/new 8080/TCP", allow, allow},
				{"x/client -> y/new 80/TCP", deny, allow},
				{"x/client -> y/none 80/TCP", deny, allow},
			},
		},
		{
			name: "named port is the destination pod's, ingress", source: "case 13, NP port",
			pods:     twoNumbers,
			policies: []model.Policy{ingress(np("y", "http", is("app", "web")), on(rule(), "http/TCP"))},
			asks: []ask{
				{"x/client -> y/old 80/TCP", allow, allow},
				{"x/client -> y/old 8080/TCP", allow, deny},
				{"x/client -> y/new 8080/TCP", allow, allow},
				{"x/client -> y/new 80/TCP", allow, deny},
				{"203.0.113.9 -> y/new 8080/TCP", ungoverned, allow},
			},
		},
		{
			name: "named port has the declared protocol", source: "case 13, NP port: protocol and port",
			policies: []model.Policy{
				ingress(np("x", "dns-tcp"), on(rule(), "dns/TCP")),
				ingress(np("y", "dns-udp"), on(rule(), "dns/UDP")),
			},
			asks: []ask{
				{"y/b -> x/a 53/UDP", allow, deny},
				{"y/b -> x/a 53/TCP", allow, deny},
				{"x/b -> y/a 53/UDP", allow, allow},
				{"x/b -> y/a 53/TCP", allow, deny},
			},
		},
		{
			name: "named port without protocol", source: "case 13, CNP destinationNamedPort",
			pods: []model.Pod{
				declaring(pod("x", "dns", "app=dns", "10.0.1.1"), "dns:53/UDP", "dns:5353/TCP"),
				pod("y", "client", "", "10.0.1.2"),
			},
			policies: []model.Policy{
				ingress(cnp(model.TierAdmin, "dns", 1, "x"), on(says(allow), "dns/any"), says(deny)),
			},
			asks: []ask{
				{"y/client -> x/dns 53/UDP", allow, allow},
				{"y/client -> x/dns 5353/TCP", allow, allow},
				{"y/client -> x/dns 53/TCP", allow, deny},
				{"y/client -> x/dns 5353/UDP", allow, deny},
			},
		},
		{
			name: "one name in several containers", source: "NP port: container ports of that name",
			pods: []model.Pod{
				declaring(pod("x", "many", "", "10.0.1.1"), "http:80/TCP", "http:8080/TCP", "http:8081/UDP"),
				pod("y", "client", "", "10.0.1.2"),
			},
			policies: []model.Policy{ingress(np("x", "http"), on(rule(), "http/TCP"))},
			asks: []ask{
				{"y/client -> x/many 80/TCP", allow, allow},
				{"y/client -> x/many 8080/TCP", allow, allow},
				{"y/client -> x/many 8081/TCP", allow, deny},
				{"y/client -> x/many 8081/UDP", allow, deny},
			},
		},
		{
			name: "unresolvable named port matches nothing", source: "case 14",
			policies: []model.Policy{
				egress(ingress(np("x", "nowhere"), on(rule(), "metrics/TCP")), on(rule(), "metrics/TCP")),
			},
			asks: []ask{
				{"y/b -> x/a 80/TCP", allow, deny},
				{"y/b -> x/a 53/UDP", allow, deny},
				{"x/a -> y/b 80/TCP", deny, allow},
				{"x/a -> 203.0.113.9 80/TCP", deny, ungoverned},
			},
		},
		{
			name: "named port to what is no pod", source: "case 15",
			policies: []model.Policy{egress(np("x", "http"), on(rule(), "http/TCP"))},
			asks: []ask{
				{"x/a -> y/b 80/TCP", allow, allow},
				{"x/a -> 203.0.113.9 80/TCP", deny, ungoverned},
				{"x/a -> node:n2 80/TCP", deny, ungoverned},
			},
		},
		{
			name: "named port with an address block, ingress", source: "case 15: the subject is a pod",
			policies: []model.Policy{ingress(np("x", "http"), on(between(rule(), block("203.0.113.0/24")), "http/TCP"))},
			asks: []ask{
				{"203.0.113.9 -> x/a 80/TCP", ungoverned, allow},
				{"203.0.113.9 -> x/a 81/TCP", ungoverned, deny},
				{"198.51.100.9 -> x/a 80/TCP", ungoverned, deny},
			},
		},
		{
			name: "named port with an address block, egress", source: "case 15",
			policies: []model.Policy{egress(np("x", "http"), on(between(rule(), block("0.0.0.0/0")), "http/TCP"))},
			asks: []ask{
				{"x/a -> 203.0.113.9 80/TCP", deny, ungoverned},
				{"x/a -> y/b 80/TCP", deny, allow},
				{"x/a -> y/b 81/TCP", deny, allow},
			},
		},
		{
			name: "endPort is inclusive", source: "case 16, NP endPort",
			policies: []model.Policy{ingress(np("x", "range"), on(rule(), "8000-8010/TCP", "90-90/UDP"))},
			asks: []ask{
				{"y/b -> x/a 7999/TCP", allow, deny},
				{"y/b -> x/a 8000/TCP", allow, allow},
				{"y/b -> x/a 8010/TCP", allow, allow},
				{"y/b -> x/a 8011/TCP", allow, deny},
				{"y/b -> x/a 8005/UDP", allow, deny},
				{"y/b -> x/a 90/UDP", allow, allow},
				{"y/b -> x/a 91/UDP", allow, deny},
			},
		},
		{
			name: "traffic without ports needs a rule without ports", source: "case 28, Sluice",
			policies: []model.Policy{
				ingress(np("x", "all-ports"), on(rule(), "*/TCP", "*/UDP", "*/SCTP")),
				ingress(np("y", "no-ports"), rule()),
			},
			asks: []ask{
				{"z/b -> x/a ICMP", allow, deny},
				{"z/b -> x/a 47", allow, deny},
				{"z/b -> x/a 9/SCTP", allow, allow},
				{"z/b -> y/a ICMP", allow, allow},
				{"z/b -> y/a 47", allow, allow},
				{"203.0.113.9 -> x/a ICMP", ungoverned, deny},
				{"203.0.113.9 -> y/a ICMP", ungoverned, allow},
			},
		},
		{
			name: "SCTP rule isolates TCP", source: "case 29",
			policies: []model.Policy{ingress(np("x", "sctp"), on(rule(), "80/SCTP"))},
			asks: []ask{
				{"y/b -> x/a 80/SCTP", allow, allow},
				{"y/b -> x/a 80/TCP", allow, deny},
			},
		},
	}
}
