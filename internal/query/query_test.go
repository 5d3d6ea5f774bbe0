package query

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/internal/artifact"
)

// cluster: a dual-stack web and a v4-only api in one deployment each, where
// ingress of db is allowed from group 0 or from 10.0.0.0/24.
func cluster() *artifact.Ruleset {
	addr := netip.MustParseAddr
	return &artifact.Ruleset{
		Header: artifact.Header{Default: artifact.Allow},
		Program: artifact.Program{
			Rules: []artifact.Rule{
				{Tier: artifact.TierNamespace, Kind: "NetworkPolicy", Namespace: "s", Name: "db", ID: "ingress[0]", File: "a.yaml", Line: 3, Col: 1},
				{Tier: artifact.TierNamespace, Kind: "NetworkPolicy", Namespace: "s", Name: "db", ID: "isolation", File: "a.yaml", Line: 1, Col: 1},
			},
			Ports:    []artifact.PortSet{nil, {{Protocol: 6, Low: 80, High: 80}}},
			Blocks:   []artifact.Block{{{Low: addr("10.0.0.0"), High: addr("10.0.0.255")}}},
			Clauses:  []artifact.Clause{{Verdict: artifact.Allow, Peer: artifact.Peer{Kind: artifact.PeerBlock}, Ports: 1, Rules: []artifact.RuleID{0}}},
			Tiers:    []artifact.Tier{{Kind: artifact.TierNamespace, Clauses: []artifact.ClauseID{0}, End: artifact.Deny, EndRules: []artifact.RuleID{1}}},
			Profiles: []artifact.Profile{{}, {Direction: artifact.Ingress, Tiers: []artifact.TierID{0}}},
		},
		Membership: artifact.Membership{
			Classes: []artifact.Class{{}, {Profiles: [2]artifact.ProfileID{1, 0}}},
			Nodes:   []artifact.Node{{Name: "n1", Addresses: []netip.Addr{addr("192.0.2.1")}}},
			Endpoints: []artifact.Endpoint{
				{Kind: artifact.EndpointPod, Namespace: "s", Name: "db", Workload: "Pod/db", Node: 0, Class: 1, Addresses: []netip.Addr{addr("10.0.1.1"), addr("fd00::1")}},
				{Kind: artifact.EndpointFinished, Namespace: "s", Name: "job", Workload: "Job/job", Node: -1},
				{Kind: artifact.EndpointHostPod, Namespace: "s", Name: "log", Workload: "DaemonSet/log", Node: 0},
				{Kind: artifact.EndpointPod, Namespace: "s", Name: "v6", Workload: "Pod/v6", Node: -1, Addresses: []netip.Addr{addr("fd00::6")}},
				{Kind: artifact.EndpointStandIn, Namespace: "s", Name: "web", Workload: "Deployment/web", Node: -1},
				{Kind: artifact.EndpointPod, Namespace: "s", Name: "web-1", Workload: "Deployment/shop", Node: -1, Addresses: []netip.Addr{addr("10.0.0.5"), addr("fd00::5")}},
				{Kind: artifact.EndpointPod, Namespace: "s", Name: "web-2", Workload: "Deployment/shop", Node: -1, Addresses: []netip.Addr{addr("10.0.9.5")}},
			},
		},
	}
}

func TestEval(t *testing.T) {
	rs := cluster()
	if err := rs.Validate(); err != nil {
		t.Fatal(err)
	}
	e := New(rs)
	for _, tc := range []struct{ line, want string }{
		{`{"src":{"pod":"s/web-1"},"dst":{"pod":"s/db"},"protocol":"TCP","port":80}`, "allow"}, // the first family, IPv4
		{`{"src":{"ip":"fd00::5"},"dst":{"ip":"fd00::1"},"protocol":"TCP","port":80}`, "deny"},
		{`{"src":{"ip":"::ffff:10.0.0.5"},"dst":{"pod":"s/db"},"protocol":"tcp","port":80}`, "allow"},
		{`{"src":{"pod":"s/v6"},"dst":{"pod":"s/db"},"protocol":"TCP","port":80}`, "deny"},
		{`{"src":{"pod":"s/v6"},"dst":{"pod":"s/web-2"},"protocol":"TCP","port":80}`, "error: source and destination have no address of a common family"},
		{`{"src":{"pod":"s/web"},"dst":{"pod":"s/db"},"protocol":"TCP","port":80}`, "deny"}, // a stand-in has no address
		{`{"src":{"pod":"s/log"},"dst":{"pod":"s/db"},"protocol":"TCP","port":80}`, "allow"},
		{`{"src":{"node":"n1"},"dst":{"pod":"s/db"},"protocol":"ICMP"}`, "allow"},
		{`{"src":{"node":"n9"},"dst":{"pod":"s/db"},"protocol":"ICMP"}`, "node \"n9\" is not in the input"},
		{`{"src":{"pod":"s/job"},"dst":{"pod":"s/db"},"protocol":"ICMP"}`, "has finished"},
		{`{"src":{"workload":"s/deployment/shop"},"dst":{"pod":"s/db"},"protocol":"TCP","port":80}`, "pods of one workload differ"},
		{`{"src":{"workload":"s/Deployment/shop"},"dst":{"pod":"s/db"},"protocol":"TCP","port":81}`, "deny"},
		{`{"src":{"workload":"s/Deployment/shop"},"dst":{"workload":"s/Deployment/shop"},"protocol":"TCP","port":81}`, "allow"},
		{`{"src":{"workload":"s/StatefulSet/shop"},"dst":{"pod":"s/db"},"protocol":"TCP","port":81}`, "error"},
		{`{"src":{},"dst":{"pod":"s/db"},"protocol":"TCP","port":80}`, "exactly one"},
		{`{"src":{"pod":"s/db","ip":"1.2.3.4"},"dst":{"pod":"s/db"},"protocol":"TCP","port":80}`, "exactly one"},
		{`{"src":{"ip":"1.2.3"},"dst":{"pod":"s/db"},"protocol":"TCP","port":80}`, "not an IP address"},
		{`{"src":{"pod":"db"},"dst":{"pod":"s/db"},"protocol":"TCP","port":80}`, "want namespace/name"},
		{`{"src":{"pod":"s/db"},"dst":{"pod":"s/db"},"protocol":"GRE","port":80}`, "want TCP"},
		{`{"src":{"pod":"s/db"},"dst":{"pod":"s/db"},"protocol":"TCP","port":65536}`, "1 to 65535"},
		{`{"src":{"pod":"s/db"},"dst":{"pod":"s/db"},"protocol":"TCP","port":80}{}`, "more than one"},
		{`{"source":{"pod":"s/db"}}`, "unknown field"},
		{`[]`, "not a query"},
	} {
		got := ""
		q, err := Parse([]byte(tc.line))
		if err == nil {
			var a Answer
			if a, err = e.Eval(q); err == nil {
				got = a.Verdict
			}
		}
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != tc.want && (err == nil || !strings.Contains(got, tc.want)) {
			t.Errorf("%s\n got %s\nwant %s", tc.line, got, tc.want)
		}
	}
}

func TestParseEnd(t *testing.T) {
	for s, want := range map[string]End{
		"10.0.0.1":         {IP: "10.0.0.1"},
		"fd00::1":          {IP: "fd00::1"},
		"ip:fd00::1":       {IP: "fd00::1"},
		"s/web":            {Pod: "s/web"},
		"s/Deployment/web": {Workload: "s/Deployment/web"},
		"node:n1":          {Node: "n1"},
		"pod:s/web":        {Pod: "s/web"},
	} {
		if got, err := ParseEnd(s); err != nil || got != want {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	if _, err := ParseEnd("web"); err == nil {
		t.Error(`"web" is no end`)
	}
}

func TestBlockText(t *testing.T) {
	addr := netip.MustParseAddr
	b := artifact.Block{
		{Low: addr("0.0.0.0"), High: addr("255.255.255.255")},
		{Low: addr("::1"), High: addr("::1")},
		{Low: addr("fd00::"), High: addr("fd00::2")},
	}
	if got, want := BlockText(b), "0.0.0.0/0, ::1/128, fd00::-fd00::2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
