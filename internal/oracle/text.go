package oracle

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/internal/model"
)

// String renders the connection in the notation that ParseConnection reads:
//
//	x/a@10.0.0.1 -> x/Deployment/web 80/TCP
//	node:n1@192.0.2.1 -> x/a@10.0.0.1 ICMP
//	198.51.100.7 -> x/a@10.0.0.1 47
func (c Connection) String() string {
	return c.Src.String() + " -> " + c.Dst.String() + " " + portText(c.Protocol, c.Port)
}

func portText(p model.Protocol, port uint16) string {
	switch {
	case p.HasPorts():
		return fmt.Sprintf("%d/%s", port, p)
	case p == model.ICMP || p == model.ICMPv6:
		return p.String()
	default:
		return strconv.Itoa(int(p))
	}
}

// String renders the end as ParseConnection reads it.
func (e End) String() string {
	at := ""
	if e.Addr.IsValid() {
		at = "@" + e.Addr.String()
	}
	switch {
	case e.Pod != nil && e.Pod.StandIn:
		return e.Pod.Namespace + "/" + e.Pod.Workload + at
	case e.Pod != nil:
		return e.Pod.Namespace + "/" + e.Pod.Name + at
	case e.Node != nil:
		return "node:" + e.Node.Name + at
	default:
		return strings.TrimPrefix(at, "@")
	}
}

// ParseConnection reads a connection between ends of s. Where an end has
// addresses and names none, it uses the first pair of one family, in the
// destination's order.
func ParseConnection(s *model.Snapshot, text string) (Connection, error) {
	var src, dst, port string
	if f := strings.Fields(text); len(f) == 4 && f[1] == "->" {
		src, dst, port = f[0], f[2], f[3]
	} else {
		return Connection{}, fmt.Errorf("connection %q: want \"SRC -> DST PORT/PROTOCOL\"", text)
	}
	srcs, err := parseEnds(s, src)
	if err != nil {
		return Connection{}, err
	}
	dsts, err := parseEnds(s, dst)
	if err != nil {
		return Connection{}, err
	}
	var c Connection
	if c.Protocol, c.Port, err = parsePort(port); err != nil {
		return Connection{}, err
	}
	for _, d := range dsts {
		for _, s := range srcs {
			if !s.Addr.IsValid() || !d.Addr.IsValid() || s.Addr.Is4() == d.Addr.Is4() {
				c.Src, c.Dst = s, d
				return c, nil
			}
		}
	}
	return Connection{}, fmt.Errorf("connection %q: the ends have no address family in common", text)
}

func parsePort(text string) (model.Protocol, uint16, error) {
	number, name, found := strings.Cut(text, "/")
	if !found {
		for _, p := range []model.Protocol{model.ICMP, model.ICMPv6} {
			if text == p.String() {
				return p, 0, nil
			}
		}
		n, err := strconv.ParseUint(text, 10, 8)
		return model.Protocol(n), 0, err
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return 0, 0, err
	}
	for _, p := range []model.Protocol{model.TCP, model.UDP, model.SCTP} {
		if name == p.String() {
			return p, uint16(n), nil
		}
	}
	return 0, 0, fmt.Errorf("port %q: protocol is not TCP, UDP or SCTP", text)
}

// parseEnds returns the end that text names, once for each of its addresses.
func parseEnds(s *model.Snapshot, text string) ([]End, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return []End{{Addr: a}}, nil
	}
	name, at, pinned := strings.Cut(text, "@")
	end, addrs, err := findEnd(s, name)
	if err != nil {
		return nil, err
	}
	if pinned {
		a, err := netip.ParseAddr(at)
		if err != nil {
			return nil, fmt.Errorf("end %q: %w", text, err)
		}
		if !slices.Contains(addrs, a) {
			return nil, fmt.Errorf("end %q: the address is not one of %v", text, addrs)
		}
		addrs = []netip.Addr{a}
	}
	if len(addrs) == 0 {
		return []End{end}, nil
	}
	var ends []End
	for _, a := range addrs {
		end.Addr = a
		ends = append(ends, end)
	}
	return ends, nil
}

func findEnd(s *model.Snapshot, name string) (End, []netip.Addr, error) {
	if node, isNode := strings.CutPrefix(name, "node:"); isNode {
		for i := range s.Nodes {
			if s.Nodes[i].Name == node {
				return End{Node: &s.Nodes[i]}, s.Nodes[i].Addresses, nil
			}
		}
		return End{}, nil, fmt.Errorf("no node %q", node)
	}
	for i := range s.Pods {
		p := &s.Pods[i]
		if (End{Pod: p}).String() == name {
			return End{Pod: p}, p.Addresses, nil
		}
	}
	return End{}, nil, fmt.Errorf("no pod %q", name)
}
