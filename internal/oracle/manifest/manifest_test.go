package manifest_test

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle/manifest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func is(key, value string) model.Requirement {
	return model.Requirement{Key: key, Op: model.In, Values: []string{value}}
}

// everyKind is a snapshot with one of everything that can be written.
func everyKind() *model.Snapshot {
	web := model.NewSelector([]model.Requirement{is("app", "web"), {Key: "tier", Op: model.NotIn, Values: []string{"", "a"}}})
	np := model.Policy{
		Kind: "NetworkPolicy", Namespace: "x", Name: "np", Tier: model.TierNamespace,
		Subject: model.Subject{Namespaces: model.NamespaceMatch{Name: "x"}, Pods: web},
		Sections: [2]model.Section{
			{Applies: true, Rules: []model.Rule{
				{ID: "ingress[0]", Verdict: model.Allow, AnyPeer: true, AnyPort: true},
				{ID: "ingress[1]", Verdict: model.Allow, AnyPort: true, Peers: []model.Peer{
					{Kind: model.PeerPods, Namespaces: model.NamespaceMatch{Name: "x"}, Pods: web},
					{Kind: model.PeerPods, Namespaces: model.NamespaceMatch{Name: "y"}},
					{Kind: model.PeerPods, Pods: web},
				}},
				{ID: "ingress[2]", Verdict: model.Allow},
			}},
			{Rules: []model.Rule{{
				ID: "egress[0]", Verdict: model.Allow,
				Peers: []model.Peer{{
					Kind: model.PeerBlock, Block: netip.MustParsePrefix("10.0.0.0/8"),
					Except: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
				}},
				Ports: []model.Port{
					{Protocol: model.TCP, Low: 80, High: 80},
					{Protocol: model.UDP, Low: 1, High: 9},
					{Protocol: model.SCTP, High: 65535},
					{Protocol: model.TCP, Name: "http"},
				},
			}}},
		},
	}
	cluster := model.Policy{
		Kind: "ClusterNetworkPolicy", Name: "cnp", Tier: model.TierAdmin, Priority: 7,
		Subject: model.Subject{Pods: web},
		Sections: [2]model.Section{model.Egress: {Applies: true, Rules: []model.Rule{
			{ID: "all", Verdict: model.Pass, AnyPeer: true, AnyPort: true},
			{ID: "some", Verdict: model.Allow, Peers: []model.Peer{
				{Kind: model.PeerNodes}, {Kind: model.PeerDomain, Domain: "example.com"}, {Kind: model.PeerPods},
			}, Ports: []model.Port{
				{Protocol: model.TCP, Low: 80, High: 80}, {Protocol: model.UDP, Low: 1, High: 9}, {Name: "http"},
			}},
		}}},
	}
	older := cluster
	older.Kind, older.Name, older.Tier = "BaselineAdminNetworkPolicy", "default", model.TierBaseline
	segment := cluster
	segment.Kind, segment.Name, segment.Tier = "Segment", "web", model.TierSegment
	ports := []model.ContainerPort{{Name: "http", Number: 80, Protocol: model.TCP}, {Number: 53, Protocol: model.UDP}}
	addr := netip.MustParseAddr
	return &model.Snapshot{
		Namespaces: []model.Namespace{{Name: "x", Labels: model.Labels{"team": "1"}}, {Name: "y"}},
		Nodes: []model.Node{{
			Name: "n1", Labels: model.Labels{"zone": "east"}, Addresses: []netip.Addr{addr("192.0.2.1")},
			PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.1.0/24")},
		}},
		Pods: []model.Pod{
			{
				Namespace: "x", Name: "web-1", Workload: "Deployment/web", Node: "n1", Ports: ports,
				Labels:    model.Labels{"app": "web", "pod-template-hash": "5d8f"},
				Addresses: []netip.Addr{addr("10.0.1.1"), addr("fd00::1")},
			},
			{Namespace: "y", Name: "host", Workload: "Pod/host", Node: "n1", HostNetwork: true, Addresses: []netip.Addr{addr("192.0.2.1")}},
			{Namespace: "y", Name: "done", Workload: "Job/done", Finished: true},
			{Namespace: "y", Name: "waiting", Workload: "StatefulSet/waiting"},
			{Namespace: "x", Name: "db", Workload: "StatefulSet/db", StandIn: true, Labels: model.Labels{"app": "db"}, Ports: ports},
			{Namespace: "x", Name: "tidy", Workload: "CronJob/tidy", StandIn: true},
		},
		Services: []model.Service{{
			Namespace: "x", Name: "web", Selector: model.Labels{"app": "web"}, Addresses: []netip.Addr{addr("10.96.0.1")},
			Ports: []model.ServicePort{{Name: "http", Protocol: model.TCP, Port: 80, TargetName: "http"}},
		}},
		Policies: []model.Policy{np, cluster, older, segment},
	}
}

func TestGolden(t *testing.T) {
	var got bytes.Buffer
	if err := manifest.Write(&got, everyKind()); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "every-kind.yaml")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("output differs from %s:\n%s", golden, got.Bytes())
	}
}
