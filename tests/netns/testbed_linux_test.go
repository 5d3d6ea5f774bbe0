package netns

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-net/sluice/internal/testbed"
	"github.com/sluice-net/sluice/internal/testbed/probe"
)

var transports = []uint8{probe.TCP, probe.UDP, probe.SCTP}

// port80 is what pods of these tests listen on.
var port80 = []testbed.Port{{Protocol: probe.TCP, Number: 80}, {Protocol: probe.UDP, Number: 80}, {Protocol: probe.SCTP, Number: 80}}

// populate adds three pods to each node, listening on port 80.
func populate(t testing.TB, c *testbed.Cluster) {
	t.Helper()
	for _, n := range c.Nodes {
		for _, name := range []string{"a", "b", "c"} {
			pod(t, c, n.Name, testbed.PodSpec{
				Namespace: "default", Name: name + "-" + n.Name, Listen: port80,
			})
		}
	}
}

// everyHost returns nodes, pods and the outside.
func everyHost(c *testbed.Cluster) []*testbed.Host {
	hosts := []*testbed.Host{c.Outside}
	for _, n := range c.Nodes {
		hosts = append(hosts, n.Host)
	}
	for _, p := range c.Pods() {
		hosts = append(hosts, p.Host)
	}
	return hosts
}

// expectation is a probe and what must become of it.
type expectation struct {
	testbed.Probe
	outcome probe.Outcome
}

// full returns the probes from every host to every host without policy.
func full(c *testbed.Cluster) []expectation {
	var all []expectation
	for _, from := range everyHost(c) {
		for _, to := range everyHost(c) {
			listens := c.Pod(to.Name) != nil
			for _, dst := range to.Addresses {
				for _, protocol := range transports {
					for _, port := range []uint16{80, 81} {
						o := probe.Refused
						if listens && port == 80 {
							o = probe.Passed
						}
						all = append(all, expectation{testbed.Probe{From: from, Dst: dst, Protocol: protocol, Port: port}, o})
					}
				}
				all = append(all, expectation{testbed.Probe{From: from, Dst: dst, Protocol: probe.ICMP}, probe.Passed})
			}
		}
	}
	return all
}

func check(t testing.TB, c *testbed.Cluster, all []expectation) {
	t.Helper()
	probes := make([]testbed.Probe, len(all))
	for i := range all {
		probes[i] = all[i].Probe
	}
	start := time.Now()
	want(t, c, probes, func(i int) probe.Outcome { return all[i].outcome })
	t.Logf("%d probes in %v", len(all), time.Since(start))
}

func TestEverythingReachesEverything(t *testing.T) {
	for name, cfg := range map[string]testbed.Config{
		"cni":        {},
		"plain":      {Wiring: testbed.Plain},
		"plain-ipv6": {Wiring: testbed.Plain, Families: testbed.IPv6},
		"cni-ipv4":   {Families: testbed.IPv4},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			c := cluster(t, cfg)
			populate(t, c)
			t.Logf("built in %v", time.Since(start))
			check(t, c, full(c))
		})
	}
}

func TestFirewallIsSeen(t *testing.T) {
	c := cluster(t, testbed.Config{})
	populate(t, c)
	// Drops TCP to a on node-1, all that c on node-1 sends, and port 81 to b.
	node := c.Node("node-1")
	a, b, cc := c.Pod("default/a-node-1"), c.Pod("default/b-node-1"), c.Pod("default/c-node-1")
	script := "table inet t {\n chain forward {\n type filter hook forward priority 0\n ct state established,related accept\n"
	for i, family := range []string{"ip", "ip6"} {
		script += fmt.Sprintf(" %s daddr %v meta l4proto tcp drop\n", family, a.Addresses[i])
		script += fmt.Sprintf(" %s saddr %v drop\n", family, cc.Addresses[i])
		script += fmt.Sprintf(" %s daddr %v meta l4proto { tcp, udp, sctp } th dport 81 drop\n", family, b.Addresses[i])
	}
	// The node's own connections do not pass the forward hook, and neither
	// does what c sends to its node or to itself.
	loadScript(t, node.Host, script+" }\n}\n")
	all := full(c)
	for i := range all {
		e := &all[i]
		to, _ := c.Owner(e.Dst)
		if e.From == node.Host || e.From == to {
			continue
		}
		switch {
		case e.From == cc.Host && to != node.Host,
			to == a.Host && e.Protocol == probe.TCP,
			to == b.Host && e.Protocol != probe.ICMP && e.Port == 81:
			e.outcome = probe.Dropped
		}
	}
	check(t, c, all)
}

func TestChosenAddresses(t *testing.T) {
	addrs := func(s ...string) (out []netip.Addr) {
		for _, a := range s {
			out = append(out, netip.MustParseAddr(a))
		}
		return out
	}
	c := cluster(t, testbed.Config{
		Wiring: testbed.Plain,
		Nodes: []testbed.NodeConfig{
			{Name: "one.example.internal", Addresses: addrs("192.168.7.1", "fd77::1")},
			{Addresses: addrs("172.16.9.9", "fd99::9")},
		},
		Outside: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:77::/48")},
	})
	pod(t, c, "one.example.internal", testbed.PodSpec{Namespace: "n", Name: "in-range", Listen: port80})
	pod(t, c, "one.example.internal", testbed.PodSpec{Namespace: "n", Name: "stray", Listen: port80, Addresses: addrs("10.99.1.2", "fdab::2")})
	gone := pod(t, c, "node-2", testbed.PodSpec{Namespace: "n", Name: "gone", Listen: port80, Addresses: addrs("10.99.1.3", "fdab::3")})
	check(t, c, full(c))

	if err := c.RemovePod(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	pod(t, c, "one.example.internal", testbed.PodSpec{Namespace: "n", Name: "heir", Listen: port80, Addresses: addrs("10.99.1.3", "fdab::3")})
	all := full(c)
	for _, outside := range addrs("198.51.100.200", "2001:db8:77::abcd") {
		for _, p := range c.Pods() {
			all = append(all, expectation{testbed.Probe{From: p.Host, Dst: outside, Protocol: probe.TCP, Port: 443}, probe.Refused})
			dst, _ := p.Address(outside)
			all = append(all, expectation{testbed.Probe{From: c.Outside, Src: outside, Dst: dst, Protocol: probe.UDP, Port: 53}, probe.Refused})
		}
	}
	check(t, c, all)
}

func TestChosenAddressesWithCNI(t *testing.T) {
	c := cluster(t, testbed.Config{})
	want := []netip.Addr{netip.MustParseAddr("10.244.2.77"), netip.MustParseAddr("fd00:10:244:2::77")}
	p := pod(t, c, "node-2", testbed.PodSpec{Namespace: "n", Name: "p", Addresses: want})
	if fmt.Sprint(p.Addresses) != fmt.Sprint(want) {
		t.Errorf("addresses %v, want %v", p.Addresses, want)
	}
	if err := c.RemovePod(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	pod(t, c, "node-2", testbed.PodSpec{Namespace: "n", Name: "q", Addresses: want})
}

// Listeners are real: a connection carries data.
func TestListenersEcho(t *testing.T) {
	c := cluster(t, testbed.Config{})
	a := pod(t, c, "node-1", testbed.PodSpec{Namespace: "n", Name: "a"})
	b := pod(t, c, "node-2", testbed.PodSpec{Namespace: "n", Name: "b", Listen: port80})
	for _, dst := range b.Addresses {
		err := a.Do(func() error {
			conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(dst, 80).String(), 5*time.Second)
			if err != nil {
				return err
			}
			defer conn.Close()
			if _, err := conn.Write([]byte("hello")); err != nil {
				return err
			}
			buf := make([]byte, 5)
			_, err = io.ReadFull(conn, buf)
			if string(buf) != "hello" {
				t.Errorf("echo: %q", buf)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
