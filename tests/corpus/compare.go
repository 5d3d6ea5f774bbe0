package corpus

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/model"
)

// Difference is a pair about which the list and Sluice disagree.
type Difference struct {
	Src, Dst Peer
	Protocol model.Protocol
	Ports    []uint16 // those asked about on which they disagree, ascending
	Allowed  bool     // by Sluice, and not by the list; else the other way around
}

// String renders "a/web[Deployment] => b/db[Deployment]: TCP 80: Sluice denies".
func (d Difference) String() string {
	does := "denies"
	if d.Allowed {
		does = "allows"
	}
	return fmt.Sprintf("%s => %s: %s %v: Sluice %s", d.Src, d.Dst, d.Protocol, d.Ports, does)
}

// comparison asks about every pair of workloads, every part of the outside
// that either side tells apart, and every port at which either could change.
type comparison struct {
	list     *List
	ruleset  *artifact.Ruleset
	resolver *artifact.Resolver
	ports    []uint16
	asked    int
}

// Compare returns all differences, and how many connections it asked about.
func Compare(list *List, s *model.Snapshot, rs *artifact.Ruleset) ([]Difference, int, error) {
	c := &comparison{list: list, ruleset: rs, resolver: artifact.NewResolver(rs), ports: edgePorts(list, s)}
	peers := workloads(s)
	known := map[Peer]bool{}
	for _, p := range peers {
		known[p] = true
	}
	for _, l := range list.Lines {
		for _, p := range []Peer{l.Src, l.Dst} {
			if !p.IsRange() && !known[p] {
				return nil, 0, fmt.Errorf("%s is not in the snapshot", p)
			}
		}
	}
	for _, a := range c.edgeAddrs(s) {
		peers = append(peers, Peer{Low: a, High: a})
	}
	var out []Difference
	for _, src := range peers {
		for _, dst := range peers {
			// The list says nothing about the outside with itself, nor about a
			// workload's pods among themselves.
			if src == dst || src.IsRange() && dst.IsRange() {
				continue
			}
			out = append(out, c.pair(src, dst)...)
		}
	}
	return out, c.asked, nil
}

// workloads returns the owners of all pods as the list names them.
func workloads(s *model.Snapshot) []Peer {
	var out []Peer
	for i := range s.Pods {
		p := &s.Pods[i]
		kind, name, _ := strings.Cut(p.Workload, "/")
		// The list names a pod's direct owner, Sluice the one at the top.
		if hash := p.Labels["pod-template-hash"]; kind == "Deployment" && hash != "" && !p.StandIn {
			kind, name = "ReplicaSet", name+"-"+hash
		}
		out = append(out, Peer{Namespace: p.Namespace, Kind: kind, Name: name})
	}
	slices.SortFunc(out, func(a, b Peer) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(out)
}

// edgePorts returns the ports at which an answer could change.
func edgePorts(list *List, s *model.Snapshot) []uint16 {
	ports := []uint16{1, 65535}
	add := func(low, high uint16) {
		for _, p := range []int{int(low) - 1, int(low), int(high), int(high) + 1} {
			if 1 <= p && p <= 65535 {
				ports = append(ports, uint16(p))
			}
		}
	}
	for _, l := range list.Lines {
		for _, r := range l.Ports {
			add(r.Low, r.High)
		}
	}
	for _, p := range s.Pods {
		for _, c := range p.Ports {
			add(c.Number, c.Number)
		}
	}
	for _, p := range s.Policies {
		for _, section := range p.Sections {
			for _, r := range section.Rules {
				for _, port := range r.Ports {
					add(port.Low, port.High)
				}
			}
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// edgeAddrs returns one address for each part of the outside that the list or
// a policy tells apart. Addresses of pods and nodes are not outside.
func (c *comparison) edgeAddrs(s *model.Snapshot) []netip.Addr {
	firsts := []netip.Addr{netip.MustParseAddr("0.0.0.1")}
	for _, l := range c.list.Lines {
		for _, p := range []Peer{l.Src, l.Dst} {
			if p.IsRange() {
				firsts = append(firsts, p.Low, p.High, p.High.Next())
			}
		}
	}
	for _, p := range s.Policies {
		for _, section := range p.Sections {
			for _, r := range section.Rules {
				for _, peer := range r.Peers {
					for _, b := range append(slices.Clone(peer.Except), peer.Block) {
						if b.IsValid() {
							firsts = append(firsts, b.Addr(), lastOf(b), lastOf(b).Next())
						}
					}
				}
			}
		}
	}
	var out []netip.Addr
	for _, a := range firsts {
		// The list is about IPv4 only.
		if e := c.resolver.Addr(a); a.Is4() && e.Endpoint < 0 && e.Node < 0 {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// pair compares all ports of one pair, each in every combination of the pods
// behind it.
func (c *comparison) pair(src, dst Peer) []Difference {
	type kind struct {
		protocol model.Protocol
		allowed  bool
	}
	found := map[kind][]uint16{}
	expected := c.list.Between(src, dst)
	for _, from := range c.ends(src) {
		for _, to := range c.ends(dst) {
			s, d, err := artifact.Pair(from, to)
			if err != nil {
				continue
			}
			for _, protocol := range []model.Protocol{model.TCP, model.UDP, model.SCTP} {
				for _, port := range c.ports {
					c.asked++
					got := c.ruleset.Decide(artifact.Flow{Src: s, Dst: d, Protocol: uint8(protocol), Port: port}).Verdict
					want := expected.Contain(protocol, port)
					if allowed := got == artifact.Allow; allowed != want {
						k := kind{protocol, allowed}
						found[k] = append(found[k], port)
					}
				}
			}
		}
	}
	var out []Difference
	for k, ports := range found {
		slices.Sort(ports)
		out = append(out, Difference{src, dst, k.protocol, slices.Compact(ports), k.allowed})
	}
	slices.SortFunc(out, func(a, b Difference) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// ends returns the ends of each pod behind p. Pods that have finished have
// none.
func (c *comparison) ends(p Peer) [][]artifact.End {
	if p.IsRange() {
		return [][]artifact.End{{c.resolver.Addr(p.Low)}}
	}
	kind, name := p.Kind, p.Name
	found, err := c.resolver.Workload(p.Namespace + "/" + kind + "/" + name)
	if i := strings.LastIndexByte(name, '-'); err != nil && kind == "ReplicaSet" && i > 0 {
		found, _ = c.resolver.Workload(p.Namespace + "/Deployment/" + name[:i])
	}
	return found
}
