// Package query answers questions about connections from an artifact: eval's
// lines of JSON and explain's way through the tiers.
package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/sluice-net/sluice/internal/artifact"
)

// Query is one line of a query file, as docs/eval.md describes it.
type Query struct {
	Src      End    `json:"src"`
	Dst      End    `json:"dst"`
	Protocol string `json:"protocol"` // TCP, UDP, SCTP or ICMP
	Port     *int   `json:"port,omitempty"`
}

// End names one end; exactly one field is set.
type End struct {
	Pod      string `json:"pod,omitempty"`      // namespace/name
	Workload string `json:"workload,omitempty"` // namespace/kind/name
	Node     string `json:"node,omitempty"`
	IP       string `json:"ip,omitempty"`
}

// String returns the end as explain prints it.
func (e End) String() string {
	switch {
	case e.Pod != "":
		return "pod " + e.Pod
	case e.Workload != "":
		return "workload " + e.Workload
	case e.Node != "":
		return "node " + e.Node
	default:
		return e.IP
	}
}

// Parse reads one query. Unknown fields and trailing data are errors: a
// misspelt field would otherwise ask another question.
func Parse(line []byte) (Query, error) {
	var q Query
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return Query{}, fmt.Errorf("not a query: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Query{}, errors.New("not a query: more than one JSON value on the line")
	}
	return q, nil
}

// ParseEnd reads the command line's form of an end: an IP address,
// "node/NAME", "namespace/pod" or "namespace/kind/workload". A prefix "pod:",
// "workload:", "node:" or "ip:" settles what would be ambiguous.
func ParseEnd(s string) (End, error) {
	if kind, rest, ok := strings.Cut(s, ":"); ok {
		switch kind {
		case "pod":
			return End{Pod: rest}, nil
		case "workload":
			return End{Workload: rest}, nil
		case "node":
			return End{Node: rest}, nil
		case "ip":
			return End{IP: rest}, nil
		}
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return End{IP: s}, nil
	}
	switch strings.Count(s, "/") {
	case 1:
		return End{Pod: s}, nil
	case 2:
		return End{Workload: s}, nil
	}
	return End{}, fmt.Errorf("%q: want an IP address, namespace/pod, namespace/kind/workload or node:NAME", s)
}

var protocols = map[string]uint8{"TCP": 6, "UDP": 17, "SCTP": 132, "ICMP": 1}

const (
	protoICMP   = 1
	protoICMPv6 = 58
)

// Evaluator answers queries on one ruleset. It is safe for concurrent use.
type Evaluator struct {
	rs *artifact.Ruleset
	r  *artifact.Resolver
}

// New prepares an evaluator for rs, which must not change.
func New(rs *artifact.Ruleset) *Evaluator {
	return &Evaluator{rs: rs, r: artifact.NewResolver(rs)}
}

// flows returns the connections that a query stands for: one, or for workloads
// one for each pair of their pods.
func (e *Evaluator) flows(q Query) ([]artifact.Flow, error) {
	proto, ok := protocols[strings.ToUpper(q.Protocol)]
	if !ok {
		return nil, fmt.Errorf("protocol %q: want TCP, UDP, SCTP or ICMP", q.Protocol)
	}
	port := uint16(0)
	switch {
	case proto == protoICMP: // ICMP has no ports; one that is given is ignored
	case q.Port == nil:
		return nil, fmt.Errorf("port is missing: %s needs one", strings.ToUpper(q.Protocol))
	case *q.Port < 1 || *q.Port > 65535:
		return nil, fmt.Errorf("port %d: want 1 to 65535", *q.Port)
	default:
		port = uint16(*q.Port)
	}
	srcs, err := e.ends("src", q.Src)
	if err != nil {
		return nil, err
	}
	dsts, err := e.ends("dst", q.Dst)
	if err != nil {
		return nil, err
	}
	var out, self []artifact.Flow
	var pairErr error
	for _, s := range srcs {
		for _, d := range dsts {
			src, dst, err := artifact.Pair(s, d)
			if err != nil {
				pairErr = err
				continue
			}
			f := artifact.Flow{Src: src, Dst: dst, Protocol: proto, Port: port}
			if proto == protoICMP && (src.Addr.Is6() || dst.Addr.Is6()) {
				f.Protocol = protoICMPv6
			}
			if src.Endpoint >= 0 && src.Endpoint == dst.Endpoint {
				self = append(self, f)
			} else {
				out = append(out, f)
			}
		}
	}
	// A workload's pods and themselves are not what a question about the
	// workload means, unless there is nothing else.
	if len(out) == 0 {
		out = self
	}
	if len(out) == 0 {
		return nil, pairErr
	}
	return out, nil
}

// ends returns, for each pod (or node, or address) that x names, its ends.
func (e *Evaluator) ends(field string, x End) ([][]artifact.End, error) {
	set := 0
	for _, v := range []string{x.Pod, x.Workload, x.Node, x.IP} {
		if v != "" {
			set++
		}
	}
	if set != 1 {
		return nil, fmt.Errorf("%s: want exactly one of pod, workload, node and ip", field)
	}
	switch {
	case x.Pod != "":
		ends, err := e.r.Pod(x.Pod)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		return [][]artifact.End{ends}, nil
	case x.Workload != "":
		ends, err := e.r.Workload(x.Workload)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		return ends, nil
	case x.Node != "":
		ends, err := e.r.Node(x.Node)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		return [][]artifact.End{ends}, nil
	default:
		a, err := netip.ParseAddr(x.IP)
		if err != nil || a.Zone() != "" {
			return nil, fmt.Errorf("%s: %q is not an IP address", field, x.IP)
		}
		return [][]artifact.End{{e.r.Addr(a.Unmap())}}, nil
	}
}
