package testbed

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/sluice-net/sluice/internal/testbed/probe"
)

// Probe is one connection attempt from a host.
type Probe struct {
	From     *Host
	Src      netip.Addr // the first of From's of the family of Dst if invalid
	Dst      netip.Addr
	Protocol uint8
	Port     uint16
}

// String returns "shop/cart -> 10.244.2.4:80, protocol 6".
func (p Probe) String() string {
	from := p.From.Name
	if p.Src.IsValid() {
		from += " as " + p.Src.String()
	}
	return fmt.Sprintf("%s -> %v, protocol %d", from, netip.AddrPortFrom(p.Dst, p.Port), p.Protocol)
}

// Probe sends all probes, those of different hosts side by side, and returns
// their results in the same order.
func (c *Cluster) Probe(ctx context.Context, probes []Probe, o probe.Options) []probe.Result {
	if o.Window == nil {
		o.Window = c.window
	}
	results := make([]probe.Result, len(probes))
	byHost := make(map[*Host][]int)
	for i, p := range probes {
		byHost[p.From] = append(byHost[p.From], i)
	}
	var wg sync.WaitGroup
	for h, indices := range byHost {
		wg.Go(func() {
			requests := make([]probe.Request, len(indices))
			for j, i := range indices {
				p := probes[i]
				if !p.Src.IsValid() {
					p.Src, _ = h.Address(p.Dst)
				}
				requests[j] = probe.Request{Src: p.Src, Dst: p.Dst, Protocol: p.Protocol, Port: p.Port}
			}
			s, err := h.Station()
			if err != nil {
				for _, i := range indices {
					results[i] = probe.Result{Outcome: probe.Error, Err: err}
				}
				return
			}
			for j, r := range s.Run(ctx, requests, o) {
				results[indices[j]] = r
			}
		})
	}
	wg.Wait()
	return results
}

// Check is Probe for when it is known which attempts should be let through.
// Silence where it is expected is believed soon; where it is not, the attempt
// is made again with more patience, so that a busy machine's lost packets do
// not look like somebody's verdict.
func (c *Cluster) Check(ctx context.Context, probes []Probe, through []bool) []probe.Result {
	results := c.Probe(ctx, probes, probe.Options{Timeout: 60 * time.Millisecond, Attempts: 2})
	var again []int
	var second []Probe
	for i, r := range results {
		if through[i] && r.Outcome == probe.Dropped {
			again = append(again, i)
			second = append(second, probes[i])
		}
	}
	for j, r := range c.Probe(ctx, second, probe.Options{}) {
		results[again[j]] = r
	}
	return results
}
