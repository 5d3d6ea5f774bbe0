package cases

import "github.com/sluice-net/sluice/internal/model"

// blockCases are about peers that are address blocks.
func blockCases() []draft {
	return []draft{
		{
			name: "block and exception, to the address", source: "case 17, NP ipBlock",
			policies: []model.Policy{
				ingress(np("x", "net"), between(rule(), block("203.0.113.0/24", "203.0.113.64/26", "203.0.113.200/32"))),
			},
			asks: []ask{
				{"203.0.112.255 -> x/a 80/TCP", ungoverned, deny},
				{"203.0.113.0 -> x/a 80/TCP", ungoverned, allow},
				{"203.0.113.63 -> x/a 80/TCP", ungoverned, allow},
				{"203.0.113.64 -> x/a 80/TCP", ungoverned, deny},
				{"203.0.113.127 -> x/a 80/TCP", ungoverned, deny},
				{"203.0.113.128 -> x/a 80/TCP", ungoverned, allow},
				{"203.0.113.199 -> x/a 80/TCP", ungoverned, allow},
				{"203.0.113.200 -> x/a 80/TCP", ungoverned, deny},
				{"203.0.113.201 -> x/a 80/TCP", ungoverned, allow},
				{"203.0.113.255 -> x/a 80/TCP", ungoverned, allow},
				{"203.0.114.0 -> x/a 80/TCP", ungoverned, deny},
			},
		},
		{
			name: "IPv6 block and exception", source: "case 17, NP ipBlock",
			policies: []model.Policy{
				egress(np("x", "net"), between(rule(), block("2001:db8:9::/48", "2001:db8:9:1::/64"))),
			},
			asks: []ask{
				{"x/a -> 2001:db8:9::1 80/TCP", allow, ungoverned},
				{"x/a -> 2001:db8:9:0:ffff:ffff:ffff:ffff 80/TCP", allow, ungoverned},
				{"x/a -> 2001:db8:9:1:: 80/TCP", deny, ungoverned},
				{"x/a -> 2001:db8:9:1:ffff:ffff:ffff:ffff 80/TCP", deny, ungoverned},
				{"x/a -> 2001:db8:9:2:: 80/TCP", allow, ungoverned},
				{"x/a -> 2001:db8:a:: 80/TCP", deny, ungoverned},
				{"x/a -> 203.0.113.9 80/TCP", deny, ungoverned},
			},
		},
		{
			name: "an exception narrows its own peer only", source: "case 17",
			policies: []model.Policy{
				egress(np("x", "net"), between(rule(), block("203.0.113.0/24", "203.0.113.0/25"), block("203.0.113.9/32"))),
			},
			asks: []ask{
				{"x/a -> 203.0.113.8 80/TCP", deny, ungoverned},
				{"x/a -> 203.0.113.9 80/TCP", allow, ungoverned},
				{"x/a -> 203.0.113.128 80/TCP", allow, ungoverned},
			},
		},
		{
			name: "a block matches pods", source: "case 18",
			policies: []model.Policy{
				egress(np("x", "pods", is("pod", "a")), between(rule(), block("10.0.2.0/24", "10.0.2.12/32"))),
				ingress(np("z", "pods"), between(rule(), block("fd00:1::/64"))),
			},
			asks: []ask{
				{"x/a -> y/b@10.0.2.12 80/TCP", deny, allow},
				{"x/a -> y/c@10.0.2.22 80/TCP", allow, allow},
				{"x/a -> y/c@fd00:2::22 80/TCP", deny, allow},
				{"y/a@fd00:1::2 -> z/a@fd00:1::3 80/TCP", allow, allow},
				{"y/a@10.0.1.2 -> z/a@10.0.1.3 80/TCP", allow, deny},
			},
		},
		{
			name: "a block of the service address does not matter", source: "case 19: after service translation",
			services: []model.Service{{
				Namespace: "y", Name: "web", Selector: model.Labels{"pod": "b"}, Addresses: addrs("10.96.0.10"),
				Ports: []model.ServicePort{{Protocol: model.TCP, Port: 80, TargetPort: 8080}},
			}},
			policies: []model.Policy{
				egress(np("x", "by-service", is("pod", "a")), between(rule(), block("10.96.0.10/32"))),
				egress(np("x", "by-target", is("pod", "b")), on(between(rule(), podsIn("y")), "8080/TCP")),
			},
			asks: []ask{
				{"x/a -> y/b 8080/TCP", deny, allow},
				{"x/b -> y/b 8080/TCP", allow, allow},
				{"x/b -> y/b 80/TCP", deny, allow},
			},
		},
		{
			name: "all of IPv4 has no IPv6", source: "case 38, CNP networks",
			policies: []model.Policy{egress(np("x", "v4"), between(rule(), block("0.0.0.0/0")))},
			asks: []ask{
				{"x/a -> 203.0.113.9 80/TCP", allow, ungoverned},
				{"x/a -> 2001:db8:9::9 80/TCP", deny, ungoverned},
				{"x/a -> y/b@10.0.2.12 80/TCP", allow, allow},
				{"x/a -> y/b@fd00:2::12 80/TCP", deny, allow},
				{"x/a -> node:n1@192.0.2.1 80/TCP", allow, ungoverned},
			},
		},
		{
			name: "all of IPv6 has no IPv4", source: "case 38, CNP networks",
			policies: []model.Policy{egress(np("x", "v6"), between(rule(), block("::/0", "fd00:2::/64")))},
			asks: []ask{
				{"x/a -> 203.0.113.9 80/TCP", deny, ungoverned},
				{"x/a -> 2001:db8:9::9 80/TCP", allow, ungoverned},
				{"x/a -> y/b@fd00:2::12 80/TCP", deny, allow},
				{"x/a -> y/a@fd00:1::2 80/TCP", allow, allow},
			},
		},
	}
}
