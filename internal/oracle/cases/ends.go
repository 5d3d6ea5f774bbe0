package cases

import "github.com/sluice-net/sluice/internal/model"

// endCases are about what an end is: nodes, pods on the host network, pods
// that have finished, stand-ins, a pod that talks to itself.
func endCases() []draft {
	host := pod("x", "host", "pod=b", "192.0.2.1", "2001:db8::1")
	host.HostNetwork = true
	otherHost := pod("x", "other-host", "pod=b", "192.0.2.2", "2001:db8::2")
	otherHost.HostNetwork, otherHost.Node = true, "n2"
	done := pod("x", "done", "pod=b", "10.0.1.7")
	done.Finished = true
	heir := pod("y", "heir", "pod=heir", "10.0.1.7")
	stray, strayHost := pod("x", "stray", "", "10.0.9.1"), pod("x", "stray-host", "", "192.0.2.9")
	stray.Node, strayHost.Node, strayHost.HostNetwork = "n9", "n9", true
	pending := pod("x", "pending", "pod=b")
	pending.Node = ""

	fromB := ingress(np("x", "from-b", is("pod", "a")), between(rule(), podsIn("x", is("pod", "b"))))
	shut := egress(ingress(np("x", "shut")))
	return []draft{
		{
			name: "a node reaches its own pods", source: "case 21, NP ingress: the pod's local node",
			policies: []model.Policy{shut},
			asks: []ask{
				{"node:n1@192.0.2.1 -> x/a@10.0.1.1 80/TCP", ungoverned, allow},
				{"node:n1@192.0.2.1 -> x/a@10.0.1.1 ICMP", ungoverned, allow},
				{"node:n1@2001:db8::1 -> x/a@fd00:1::1 80/TCP", ungoverned, allow},
				{"192.0.2.1 -> x/a@10.0.1.1 80/TCP", ungoverned, allow},
				{"node:n2@192.0.2.2 -> x/a@10.0.1.1 80/TCP", ungoverned, deny},
				{"x/a@10.0.1.1 -> node:n1@192.0.2.1 80/TCP", deny, ungoverned},
			},
		},
		{
			name: "a node reaches its own pods past an admin deny", source: "case 21, Sluice",
			policies: []model.Policy{ingress(cnp(model.TierAdmin, "deny", 0, "x"), says(deny))},
			asks: []ask{
				{"node:n1 -> x/a 80/TCP", ungoverned, allow},
				{"node:n2 -> x/a 80/TCP", ungoverned, deny},
			},
		},
		{
			name: "a pod reaches itself", source: "case 22, CNP overview",
			policies: []model.Policy{shut, ingress(cnp(model.TierAdmin, "deny", 0, "x"), says(deny))},
			asks: []ask{
				{"x/a -> x/a 80/TCP", allow, allow},
				{"x/a@fd00:1::1 -> x/a@fd00:1::1 80/TCP", allow, allow},
				{"x/a -> x/b 80/TCP", deny, deny},
			},
		},
		{
			name: "a stand-in and itself are two pods", source: "Sluice: a stand-in is many pods",
			pods: []model.Pod{standIn("x", "web", "app=web"), standIn("y", "api", "app=api")},
			policies: []model.Policy{
				ingress(np("x", "in"), between(rule(), podsIn("y"))),
				egress(ingress(np("y", "own"), between(rule(), podsIn("y"))), on(rule(), "http/TCP")),
			},
			asks: []ask{
				{"x/Deployment/web -> x/Deployment/web 80/TCP", allow, deny},
				{"y/Deployment/api -> y/Deployment/api 80/TCP", allow, allow},
				{"y/Deployment/api -> y/Deployment/api 81/TCP", deny, allow},
				{"y/Deployment/api -> x/Deployment/web 80/TCP", allow, allow},
			},
		},
		{
			name: "a stand-in has no address", source: "Sluice: address blocks need an address",
			pods: []model.Pod{standIn("x", "web", "app=web"), pod("y", "real", "", "10.0.1.1")},
			policies: []model.Policy{
				egress(ingress(np("y", "world"), between(rule(), block("0.0.0.0/0"), block("::/0"))),
					between(rule(), block("0.0.0.0/0"), block("::/0"))),
			},
			asks: []ask{
				{"x/Deployment/web -> y/real 80/TCP", allow, deny},
				{"y/real -> x/Deployment/web 80/TCP", deny, allow},
				{"203.0.113.9 -> y/real 80/TCP", ungoverned, allow},
			},
		},
		{
			name: "a pod without address yet", source: "case 25 reversed: scheduled later",
			pods: []model.Pod{pending, pod("x", "a", "pod=a", "10.0.1.1")},
			policies: []model.Policy{
				fromB, egress(np("x", "out", is("pod", "b")), on(rule(), "80/TCP")),
			},
			asks: []ask{
				{"x/pending -> x/a 80/TCP", allow, allow},
				{"x/pending -> x/a 81/TCP", deny, allow},
			},
		},
		{
			name: "a pod on the host network is its node", source: "case 23, CNP subject; docs: hostNetwork pods",
			pods: []model.Pod{host, otherHost, pod("x", "a", "pod=a", "10.0.1.1"), pod("x", "b", "pod=b", "10.0.1.2")},
			policies: []model.Policy{
				fromB,
				egress(ingress(np("x", "shut-b", is("pod", "b")))),
				egress(np("x", "to-b", is("pod", "a")), between(rule(), podsIn("x", is("pod", "b")))),
			},
			asks: []ask{
				{"x/b -> x/a 80/TCP", deny, allow},
				{"x/other-host -> x/a@10.0.1.1 80/TCP", ungoverned, deny},
				{"x/host -> x/a@10.0.1.1 80/TCP", ungoverned, allow},
				{"x/a -> x/host@192.0.2.1 80/TCP", deny, ungoverned},
				{"x/a -> x/b 80/TCP", allow, deny},
				{"203.0.113.9 -> x/host@192.0.2.1 80/TCP", ungoverned, ungoverned},
			},
		},
		{
			name: "a node that only pods mention", source: "case 21; Sluice: offline input may lack nodes",
			pods: []model.Pod{stray, strayHost, otherHost},
			policies: []model.Policy{
				shut,
				egress(cnp(model.TierAdmin, "nodes", 1, "x"),
					on(between(says(allow), nodesWhere()), "80-81/TCP"),
					on(between(says(allow), nodesWhere(exists("zone"))), "82/TCP")),
			},
			asks: []ask{
				{"x/stray-host -> x/stray 80/TCP", ungoverned, allow},
				{"x/other-host -> x/stray 80/TCP", ungoverned, deny},
				{"x/stray -> x/stray-host 80/TCP", allow, ungoverned},
				{"x/stray -> x/stray-host 82/TCP", deny, ungoverned},
				{"x/stray -> x/other-host 82/TCP", allow, ungoverned},
			},
		},
		{
			name: "a block matches pods on the host network", source: "case 23, docs: hostNetwork pods",
			pods: []model.Pod{otherHost, pod("x", "a", "pod=a", "10.0.1.1")},
			policies: []model.Policy{
				ingress(np("x", "nodes"), between(rule(), block("192.0.2.0/24"))),
				egress(np("x", "http"), on(between(rule(), block("192.0.2.0/24")), "http/TCP", "81/TCP")),
			},
			asks: []ask{
				{"x/other-host@192.0.2.2 -> x/a 80/TCP", ungoverned, allow},
				{"x/a -> x/other-host@192.0.2.2 81/TCP", allow, ungoverned},
				{"x/a -> x/other-host@192.0.2.2 80/TCP", deny, ungoverned},
			},
		},
		{
			name: "a finished pod matches nothing", source: "case 24",
			pods: []model.Pod{done, heir, pod("x", "a", "pod=a", "10.0.1.1")},
			policies: []model.Policy{
				fromB,
				ingress(np("y", "shut")),
			},
			asks: []ask{
				{"10.0.1.7 -> x/a 80/TCP", allow, deny},
				{"y/heir -> x/a 80/TCP", allow, deny},
				{"x/a -> 10.0.1.7 80/TCP", allow, deny},
			},
		},
		{
			name: "an address that nobody has any more", source: "case 24",
			pods: []model.Pod{done, pod("x", "a", "pod=a", "10.0.1.1")},
			policies: []model.Policy{
				fromB,
				ingress(np("x", "net", is("pod", "a")), on(between(rule(), block("10.0.1.7/32")), "81/TCP")),
			},
			asks: []ask{
				{"10.0.1.7 -> x/a 80/TCP", ungoverned, deny},
				{"10.0.1.7 -> x/a 81/TCP", ungoverned, allow},
				{"x/a -> 10.0.1.7 80/TCP", allow, ungoverned},
			},
		},
		{
			name: "IPv4-only and IPv6-only pods", source: "Sluice: addresses are per family",
			pods: []model.Pod{
				pod("x", "four", "pod=four", "10.0.1.1"), pod("x", "six", "pod=six", "fd00:1::1"),
				pod("y", "both", "pod=both", "fd00:1::2", "10.0.1.2"),
			},
			policies: []model.Policy{ingress(np("x", "both"), between(rule(), podsIn("y")))},
			asks: []ask{
				{"y/both -> x/four 80/TCP", allow, allow},
				{"y/both -> x/six 80/TCP", allow, allow},
				{"203.0.113.9 -> x/four 80/TCP", ungoverned, deny},
				{"2001:db8:9::9 -> x/six 80/TCP", ungoverned, deny},
			},
		},
	}
}
