package nft_test

import (
	"testing"

	"github.com/sluice-net/sluice/enforcer/nft/nfttest"
	"github.com/sluice-net/sluice/internal/artifact"
)

const (
	allow   = artifact.Allow
	deny    = artifact.Deny
	pass    = artifact.Pass
	ingress = artifact.Ingress
	egress  = artifact.Egress
)

func say(v artifact.Verdict, peer artifact.Peer, ports artifact.PortsID, policy string) nfttest.Clause {
	return nfttest.Clause{Verdict: v, Peer: peer, Ports: ports, Policy: policy}
}

// everything builds a ruleset with every kind of clause, tier and end.
func everything(t testing.TB) *artifact.Ruleset {
	return everythingBuilder().Ruleset(t)
}

func everythingBuilder() *nfttest.Builder {
	b := nfttest.New()
	b.Generation(7)
	var (
		web   = b.Ports(nfttest.TCP(80), nfttest.TCP(443))
		dns   = b.Ports(nfttest.UDP(53))
		sctp  = b.Ports(nfttest.SCTP(9))
		high  = b.Ports(nfttest.Range(6, 30000, 32767), nfttest.UDP(7))
		alt   = b.Ports(nfttest.TCP(8080))
		admin = b.Tier(ingress, artifact.TierAdmin, pass,
			say(deny, b.Group("bad"), web, "no-bad"),
			say(pass, b.Group("mon"), b.Ports(), "mon"),
			say(pass, b.Block("192.0.2.0/25", "2001:db8:1::/64"), alt, "mon"),
			say(allow, b.Group("node"), dns, "node-dns"),
			say(deny, b.Block("192.0.2.128/25", "2001:db8:2::/64"), b.Ports(), "bad-net"),
		)
		namespace = b.Tier(ingress, artifact.TierNamespace, deny,
			say(allow, b.Any(), dns, "dns"),
			say(allow, b.Group("a"), web, "p1"),
			say(allow, b.Group("b"), sctp, "p2"),
			say(allow, b.Group("c"), alt, "p3"),
			say(allow, b.Group(`app in ("a", "b")`), dns, "p4"),
			say(allow, b.Group("a"), high, "p5"),
			say(allow, b.Group("all"), b.Ports(), "p6"),
			say(allow, b.Block("10.99.0.0/16", "192.0.2.0-192.0.2.9", "2001:db8:1::-2001:db8:1::9"), b.Ports(), "p7"),
			say(allow, b.Block("198.51.100.0/24", "2001:db8:3::/64"), high, "p8"),
			say(allow, b.Block("198.51.100.7-198.51.101.8", "2001:db8:3::7"), web, "p8"),
			say(allow, b.Domain("*.example.com"), web, "p9"),
		)
		few = b.Tier(egress, artifact.TierNamespace, deny,
			say(allow, b.Group("a"), web, "e1"),
			say(allow, b.Group("b"), web, "e2"),
			say(allow, b.Group("node"), high, "e3"),
			say(allow, b.Domain("example.org"), b.Ports(), "e4"),
		)
		baseline = b.Tier(egress, artifact.TierBaseline, pass,
			say(allow, b.Group("a"), b.Ports(), "base"),
			say(deny, b.Any(), sctp, "base"),
			say(deny, b.Block("0.0.0.0/0"), alt, "base"),
		)
		segment = b.Tier(egress, artifact.TierSegment, pass,
			say(pass, b.Any(), web, "seg"),
			say(deny, b.Group("bad"), b.Ports(), "seg"),
		)
	)
	full := b.Class(b.Profile(ingress, admin, namespace), b.Profile(egress, segment, baseline), "a", "all")
	isolated := b.Class(b.Profile(ingress, namespace), b.Profile(egress, few), "b", "c")
	plain := b.Class(0, b.Profile(egress, baseline), "bad")
	mon := b.Class(0, 0, "mon", `app in ("a", "b")`)
	nodes := b.Class(0, 0, "node")
	n1 := b.Node("n1", nodes, []string{"172.16.0.1", "fd16::1"}, "10.244.1.0/24", "fd44:1::/64")
	n2 := b.Node("n2", nodes, []string{"172.16.0.2", "fd16::2"}, "10.244.2.0/24", "fd44:2::/64")
	b.Pod("full", n1, full, "10.244.1.2", "fd44:1::2")
	b.Pod("isolated", n1, isolated, "10.244.1.3", "fd44:1::3")
	b.Pod("plain", n1, plain, "10.244.1.4", "fd44:1::4")
	b.Pod("mon", n1, mon, "10.244.1.5", "fd44:1::5")
	b.Pod("stray", n1, full, "10.9.9.9", "fd99::9")
	b.Pod("stray2", n1, isolated, "10.9.9.10", "fd99::a")
	b.Pod("far-a", n2, full, "10.244.2.2", "fd44:2::2")
	b.Pod("far-b", n2, isolated, "10.244.2.3", "fd44:2::3")
	b.Pod("far-bad", n2, plain, "10.244.2.4", "fd44:2::4")
	b.Pod("far-mon", n2, mon, "10.244.2.5", "fd44:2::5")
	return b
}
