// Package corpus holds Sluice against the connectivity that another analyzer
// published for directories of real manifests.
package corpus

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/internal/model"
)

// Peer is an end in a connectivity list: a workload or a range of addresses
// outside the cluster.
type Peer struct {
	Namespace, Kind, Name string     // of a workload
	Low, High             netip.Addr // of a range, inclusive
}

// IsRange reports whether p is a range of addresses.
func (p Peer) IsRange() bool { return p.Low.IsValid() }

// String renders p as the list does.
func (p Peer) String() string {
	if p.IsRange() {
		return fmt.Sprintf("%s-%s[External]", p.Low, p.High)
	}
	return fmt.Sprintf("%s/%s[%s]", p.Namespace, p.Name, p.Kind)
}

// PortRange is a range of ports of a protocol, inclusive.
type PortRange struct {
	Protocol  model.Protocol
	Low, High uint16
}

// Line is one line of a connectivity list: what Src may open to Dst.
type Line struct {
	Src, Dst Peer
	Ports    []PortRange
}

// List is a connectivity list. What it does not mention is not allowed.
type List struct {
	Lines   []Line
	Skipped int // lines about an ingress controller that is not in the input
}

// everything is what "All Connections" stands for: the list knows no traffic
// without ports.
var everything = []PortRange{{model.TCP, 1, 65535}, {model.UDP, 1, 65535}, {model.SCTP, 1, 65535}}

var (
	workloadForm = regexp.MustCompile(`^([a-z0-9.-]+)/([A-Za-z0-9.-]+)\[([A-Za-z]+)\]$`)
	rangeForm    = regexp.MustCompile(`^([0-9a-f.:]+)-([0-9a-f.:]+)\[External\]$`)
)

// Parse reads a connectivity list.
func Parse(text string) (*List, error) {
	list := &List{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		ends, ports, ok := strings.Cut(line, " : ")
		src, dst, both := strings.Cut(ends, " => ")
		if !ok || !both {
			return nil, fmt.Errorf("line %q is not of the form SRC => DST : PORTS", line)
		}
		if src == "{ingress-controller}" {
			list.Skipped++
			continue
		}
		l := Line{}
		var err error
		if l.Src, err = parsePeer(src); err != nil {
			return nil, err
		}
		if l.Dst, err = parsePeer(dst); err != nil {
			return nil, err
		}
		if l.Ports, err = parsePorts(ports); err != nil {
			return nil, err
		}
		list.Lines = append(list.Lines, l)
	}
	return list, nil
}

func parsePeer(text string) (Peer, error) {
	if m := workloadForm.FindStringSubmatch(text); m != nil {
		return Peer{Namespace: m[1], Name: m[2], Kind: m[3]}, nil
	}
	m := rangeForm.FindStringSubmatch(text)
	if m == nil {
		return Peer{}, fmt.Errorf("peer %q is neither a workload nor a range", text)
	}
	low, err := netip.ParseAddr(m[1])
	if err != nil {
		return Peer{}, err
	}
	high, err := netip.ParseAddr(m[2])
	return Peer{Low: low, High: high}, err
}

// parsePorts reads "All Connections" or "SCTP 1-9002,9004-65535,TCP 80": a
// protocol holds until the next one.
func parsePorts(text string) ([]PortRange, error) {
	if text == "All Connections" {
		return everything, nil
	}
	var out []PortRange
	var protocol model.Protocol
	for item := range strings.SplitSeq(text, ",") {
		for _, p := range []model.Protocol{model.TCP, model.UDP, model.SCTP} {
			if rest, ok := strings.CutPrefix(item, p.String()+" "); ok {
				protocol, item = p, rest
			}
		}
		low, high, isRange := strings.Cut(item, "-")
		if !isRange {
			high = low
		}
		a, err := strconv.ParseUint(low, 10, 16)
		if err != nil || protocol == 0 {
			return nil, fmt.Errorf("ports %q: item %q", text, item)
		}
		b, err := strconv.ParseUint(high, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("ports %q: %w", text, err)
		}
		out = append(out, PortRange{protocol, uint16(a), uint16(b)})
	}
	return out, nil
}

// Between returns what src may open to dst: the ports of all lines on them.
func (l *List) Between(src, dst Peer) Ports {
	var out Ports
	for _, line := range l.Lines {
		if line.Src.contains(src) && line.Dst.contains(dst) {
			out = append(out, line.Ports...)
		}
	}
	return out
}

// Ports are alternatives.
type Ports []PortRange

// Contain reports whether the port is one of them.
func (ps Ports) Contain(protocol model.Protocol, port uint16) bool {
	for _, r := range ps {
		if r.Protocol == protocol && r.Low <= port && port <= r.High {
			return true
		}
	}
	return false
}

// contains reports whether q is p or a part of it.
func (p Peer) contains(q Peer) bool {
	if p.IsRange() != q.IsRange() {
		return false
	}
	if !p.IsRange() {
		return p == q
	}
	return p.Low.Is4() == q.Low.Is4() && p.Low.Compare(q.Low) <= 0 && q.High.Compare(p.High) <= 0
}
