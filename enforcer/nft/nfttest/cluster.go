package nfttest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/internal/artifact"
)

// Cluster describes a big ruleset. Local pods are of node "n1" and have
// addresses from 10.1.0.1 on, remote ones from 10.2.0.1 on.
type Cluster struct {
	Local, Remote int // pods
	Groups        int // the remote pods, and the local ones, are spread over these
	// PerPod policies isolate each local pod for ingress; each allows one
	// group one UDP port. The policies of every pod are its own, so that there
	// are Local*PerPod.
	PerPod int
	Ports  int // different ports that policies allow; default 1
}

// LocalAddr returns the address of a cluster's i-th local pod.
func LocalAddr(i int) netip.Addr { return numbered(10<<24|1<<16, i) }

// RemoteAddr returns the address of a cluster's i-th remote pod.
func RemoteAddr(i int) netip.Addr { return numbered(10<<24|2<<16, i) }

func numbered(base uint32, i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], base+1+uint32(i))
	return netip.AddrFrom4(b)
}

// Builder returns the builder of the ruleset, and a class of remote pods.
func (c Cluster) Builder() (*Builder, artifact.ClassID) {
	b := New()
	ports := make([]artifact.PortsID, max(1, c.Ports))
	for i := range ports {
		ports[i] = b.Ports(UDP(uint16(8000 + i)))
	}
	group := func(i int) string { return fmt.Sprintf("app=%d", i%max(1, c.Groups)) }
	var remote []artifact.ClassID
	for g := range max(1, c.Groups) {
		remote = append(remote, b.Class(0, 0, group(g)))
	}
	n1 := b.Node("n1", 0, []string{"172.16.0.1"}, "10.1.0.0/16")
	n2 := b.Node("n2", 0, []string{"172.16.0.2"}, "10.2.0.0/15")
	policy := 0
	for i := range c.Local {
		var p artifact.ProfileID
		if c.PerPod > 0 {
			var clauses []Clause
			for range c.PerPod {
				clauses = append(clauses, Clause{
					Verdict: artifact.Allow, Peer: b.Group(group(policy)), Ports: ports[policy%len(ports)],
					Policy: fmt.Sprintf("policy-%d", policy),
				})
				policy++
			}
			p = b.Profile(artifact.Ingress, b.Tier(artifact.Ingress, artifact.TierNamespace, artifact.Deny, clauses...))
		}
		b.PodAt(fmt.Sprintf("local-%06d", i), n1, b.Class(p, 0, group(i)), LocalAddr(i))
	}
	for i := range c.Remote {
		b.PodAt(fmt.Sprintf("remote-%06d", i), n2, remote[i%len(remote)], RemoteAddr(i))
	}
	return b, remote[0]
}

// Ruleset returns the ruleset.
func (c Cluster) Ruleset(t testing.TB) *artifact.Ruleset {
	t.Helper()
	b, _ := c.Builder()
	return b.Ruleset(t)
}
