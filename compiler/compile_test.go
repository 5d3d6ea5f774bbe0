package compiler

import (
	"testing"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/cases"
)

// end translates an oracle's end to the artifact's.
func end(rs *artifact.Ruleset, r *artifact.Resolver, e oracle.End) artifact.End {
	switch {
	case e.Pod == nil && e.Node == nil:
		return r.Addr(e.Addr)
	case e.Node != nil:
		ends, _ := r.Node(e.Node.Name)
		ends[0].Addr = e.Addr
		return ends[0]
	case e.Pod.Finished:
		return artifact.End{Addr: e.Addr, Endpoint: -1, Node: -1}
	}
	for i := range rs.Membership.Endpoints {
		if ep := &rs.Membership.Endpoints[i]; ep.Namespace == e.Pod.Namespace && ep.Name == e.Pod.Name && ep.Workload == e.Pod.Workload {
			if ep.Kind == artifact.EndpointHostPod {
				return artifact.End{Addr: e.Addr, Endpoint: -1, Node: int(ep.Node)}
			}
			return artifact.End{Addr: e.Addr, Endpoint: i, Node: -1}
		}
	}
	return artifact.End{Addr: e.Addr, Endpoint: -1, Node: -1}
}

func verdict(d *artifact.Decision) model.Verdict {
	if d == nil {
		return 0
	}
	return model.Verdict(d.Verdict)
}

// TestCases compiles every hand-worked corner of the semantics.
func TestCases(t *testing.T) {
	for _, c := range cases.All() {
		t.Run(c.Name, func(t *testing.T) {
			rs, ds := Compile(c.Snapshot, Options{DefaultDeny: c.Default == model.Deny})
			if rs == nil {
				t.Fatal(ds)
			}
			r := artifact.NewResolver(rs)
			for _, q := range c.Connections {
				got := rs.Decide(artifact.Flow{
					Src: end(rs, r, q.Src), Dst: end(rs, r, q.Dst),
					Protocol: uint8(q.Protocol), Port: q.Port,
				})
				if verdict(got.Egress) != q.Egress || verdict(got.Ingress) != q.Ingress {
					t.Errorf("%v: egress %v ingress %v, want %v and %v", q.Connection,
						verdict(got.Egress), verdict(got.Ingress), q.Egress, q.Ingress)
				}
			}
		})
	}
}
