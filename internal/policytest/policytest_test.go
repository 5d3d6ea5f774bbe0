package policytest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
)

const head = "apiVersion: sluice.dev/v1alpha1\nkind: PolicyTest\nmetadata: {name: t}\n"

// cluster: two pods of one workload, of which one has an address that db
// allows by a rule of its own, and one by a rule for all on port 80.
func cluster() *artifact.Ruleset {
	addr := netip.MustParseAddr
	rule := func(id string, line uint32) artifact.Rule {
		return artifact.Rule{Tier: artifact.TierNamespace, Kind: "NetworkPolicy", Namespace: "s", Name: "db", ID: id, File: "a.yaml", Line: line, Col: 1}
	}
	return &artifact.Ruleset{
		Header: artifact.Header{Default: artifact.Allow},
		Program: artifact.Program{
			Rules:  []artifact.Rule{rule("isolation", 1), rule("ingress[0]", 3), rule("ingress[1]", 4)},
			Ports:  []artifact.PortSet{nil, {{Protocol: 6, Low: 80, High: 80}}},
			Blocks: []artifact.Block{{{Low: addr("10.0.0.5"), High: addr("10.0.0.5")}}},
			Clauses: []artifact.Clause{
				{Verdict: artifact.Allow, Peer: artifact.Peer{Kind: artifact.PeerBlock}, Rules: []artifact.RuleID{1}},
				{Verdict: artifact.Allow, Peer: artifact.Peer{Kind: artifact.PeerAny}, Ports: 1, Rules: []artifact.RuleID{2}},
			},
			Tiers:    []artifact.Tier{{Kind: artifact.TierNamespace, Clauses: []artifact.ClauseID{0, 1}, End: artifact.Deny, EndRules: []artifact.RuleID{0}}},
			Profiles: []artifact.Profile{{}, {Direction: artifact.Ingress, Tiers: []artifact.TierID{0}}},
		},
		Membership: artifact.Membership{
			Classes: []artifact.Class{{}, {Profiles: [2]artifact.ProfileID{1, 0}}},
			Endpoints: []artifact.Endpoint{
				{Kind: artifact.EndpointPod, Namespace: "s", Name: "db", Workload: "Pod/db", Node: -1, Class: 1, Addresses: []netip.Addr{addr("10.0.1.1")}},
				{Kind: artifact.EndpointFinished, Namespace: "s", Name: "job", Workload: "Job/job", Node: -1},
				{Kind: artifact.EndpointPod, Namespace: "s", Name: "v6", Workload: "Pod/v6", Node: -1, Addresses: []netip.Addr{addr("fd00::6")}},
				{Kind: artifact.EndpointPod, Namespace: "s", Name: "web-1", Workload: "Deployment/web", Node: -1, Addresses: []netip.Addr{addr("10.0.0.5")}},
				{Kind: artifact.EndpointPod, Namespace: "s", Name: "web-2", Workload: "Deployment/web", Node: -1, Addresses: []netip.Addr{addr("10.0.0.6")}},
			},
		},
	}
}

// run answers the only document of a text.
func run(t *testing.T, text string) (Suite, *Runner) {
	t.Helper()
	rs := cluster()
	if err := rs.Validate(); err != nil {
		t.Fatal(err)
	}
	docs := Parse("t.yaml", []byte(text))
	if len(docs) != 1 {
		t.Fatalf("%d documents in %s", len(docs), text)
	}
	r := NewRunner(rs)
	return r.Run(docs[0]), r
}

func TestVerdictAndReason(t *testing.T) {
	for _, tc := range []struct {
		from, to, port, rest string
		want                 bool
		got                  string
		tested               int
	}{
		{"s/web-1", "s/db", "80/TCP", "expect: allow", true, "allow, egress by default, ingress by NetworkPolicy/s/db ingress[0] (a.yaml:3)", 1},
		{"s/web-1", "s/db", "80/TCP", "expect: deny", false, "", 1},
		{"s/web-1", "s/db", "80/TCP", "expect: allow, by: NetworkPolicy/s/db", true, "", 1},
		{"s/web-1", "s/db", "80/TCP", "expect: allow, by: 'NetworkPolicy/s/db ingress[0]'", true, "", 1},
		{"s/web-1", "s/db", "80/TCP", "expect: allow, by: 'NetworkPolicy/s/db ingress[1]'", false, "", 1},
		{"s/web-1", "s/db", "80/TCP", "expect: allow, by: NetworkPolicy/s/dc", false, "", 1},
		// Each pod of a workload has to pass, and each one's rule is tested.
		{"s/Deployment/web", "s/db", "80/TCP", "expect: allow, by: NetworkPolicy/s/db, tier: namespace", true, "", 2},
		{"s/Deployment/web", "s/db", "80/TCP", "expect: allow, by: 'NetworkPolicy/s/db ingress[0]'", false, "allow, egress by default, ingress by NetworkPolicy/s/db ingress[1] (a.yaml:4)", 2},
		{"s/Deployment/web", "s/db", "81/TCP", "expect: allow", false, "no answer: pods of one workload differ: s/web-1 (10.0.0.5) -> s/db (10.0.1.1) is allow, s/web-2 (10.0.0.6) -> s/db (10.0.1.1) is deny: ask for pods", 0},
		// The end that allows has no part in what the other one denies.
		{"s/web-2", "s/db", "ICMP", "expect: deny, by: NetworkPolicy/s/db isolation, tier: namespace", true, "deny, ingress by NetworkPolicy/s/db isolation (a.yaml:1)", 1},
		{"s/web-2", "s/db", "ICMP", "expect: deny, tier: default", false, "", 1},
		{"s/web-2", "s/web-1", "1/SCTP", "expect: allow, tier: default", true, "", 0},
		{"s/db", "s/db", "1/UDP", "expect: allow, tier: self", true, "", 0},
		{"192.0.2.1", "192.0.2.2", "1/UDP", "expect: allow", true, "allow, neither end is a pod that policies govern", 0},
		{"192.0.2.1", "192.0.2.2", "1/UDP", "expect: allow, tier: default", false, "", 0},
		{"s/v6", "s/web-1", "1/UDP", "expect: deny", false, "no answer: source and destination have no address of a common family", 0},
	} {
		text := fmt.Sprintf("%scases:\n- {from: %s, to: %s, port: %s, %s}\n", head, tc.from, tc.to, tc.port, tc.rest)
		s, r := run(t, text)
		if len(s.Diags) > 0 || len(s.Results) != 1 {
			t.Errorf("%s: %v, %d results", text, s.Diags, len(s.Results))
			continue
		}
		if g := s.Results[0]; g.Passed != tc.want || tc.got != "" && g.Got != tc.got || r.Coverage().Tested != tc.tested {
			t.Errorf("%s passed %v, got %s, %d rules tested", text, g.Passed, g.Got, r.Coverage().Tested)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"cases: []":   "t.yaml:4:8: error: PolicyTest/t: cases: want a list with something in it",
		"spec: {}":    `unknown field "spec" in the test`,
		"cases: [1]":  "the case is an integer: want a mapping",
		"cases: null": "cases: want a list",
		"":            "t.yaml:1:1: error: PolicyTest/t: the document tests nothing",
		"cases: [{from: s/db, from: s/db, to: s/db, port: ICMP, expect: allow}]":                   `t.yaml:4:22: error: PolicyTest/t: field "from" is there twice`,
		"cases: [{from: [s/db, s/db], to: s/db, port: ICMP, expect: allow}]":                       "t.yaml:4:23: error: PolicyTest/t: from: s/db is there twice",
		"cases: [{from: [[s/db]], to: s/db, port: ICMP, expect: allow}]":                           "from: want a string or a list of strings",
		"cases: [{from: s/db, to: ip:x, port: ICMP, expect: allow}]":                               `t.yaml:4:26: error: PolicyTest/t: to: "x" is not an IP address`,
		"cases: [{from: s/db, to: s/job, port: ICMP, expect: allow}]":                              "has finished",
		"cases: [{from: s/db, to: s/db, port: 8/ICMP, expect: allow}]":                             `port "8/ICMP"`,
		"cases: [{from: s/db, to: s/db, port: 65536/TCP, expect: allow}]":                          `port "65536/TCP"`,
		"cases: [{from: s/db, to: s/db, port: +1/TCP, expect: allow}]":                             `port "+1/TCP"`,
		"cases: [{from: s/db, to: s/db, port: ICMP}]":                                              "t.yaml:4:9: error: PolicyTest/t: expect is missing in the case",
		"cases: [{from: s/db, to: s/db, port: ICMP, expect: true}]":                                "expect is a boolean: want a string",
		"cases: [{from: s/db, to: s/db, port: ICMP, expect: pass}]":                                `"pass": want allow or deny`,
		"cases: [{from: s/db, to: s/db, port: ICMP, expect: allow, by: a//b}]":                     `by "a//b"`,
		"cases: [{from: s/db, to: s/db, port: ICMP, expect: allow, by: 'a/b '}]":                   `by "a/b "`,
		"cases: [{from: s/db, to: s/db, port: ICMP, expect: allow, by: a/b, tier: self}]":          "tier self has no policy",
		"cases: [{name: \"a\\nb\", from: s/db, to: s/db, port: ICMP, expect: allow}]":              "name: want one line of text",
		"tables: [{port: ICMP, table: s/db}]":                                                      "the table is too short",
		"tables:\n- port: ICMP\n  table: |\n    s/db s/db\n    s/web-1 deny deny\n":                "t.yaml:7:10: error: PolicyTest/t: to: s/db is there twice",
		"tables:\n- port: ICMP\n  table: |\n    s/db\n\n    # deny\n":                              `t.yaml:9:5: error: PolicyTest/t: from: "#"`,
		"tables:\n- port: ICMP\n  table: |\n    from\\to s/db\n    s/web-1 -\n":                    "t.yaml:6:10: error: PolicyTest/t: the table tests nothing",
		"tables:\n- port: ICMP\n  table: |\n    from\\to s/db\n    é s/web-1 deny\n":               "t.yaml:8:5: error: PolicyTest/t: the line of é has 2 verdicts",
		"tables:\n- port: ICMP\n  table: \"s/db\\ns/web-1 perhaps\"\n":                             `t.yaml:6:10: error: PolicyTest/t: "perhaps": want allow or deny`,
		"tables:\n- port: ICMP\n  table: >\n    s/db\n    s/web-1 deny\n":                          "t.yaml:6:10: error: PolicyTest/t: the table is too short",
		"tables:\n- port: ICMP\n  table: |\n    from\\to\n    s/web-1\n":                           "the table tests nothing",
		"cases: [{from: s/db, to: s/db, port: ICMP, expect: allow, rule: x}]\nmetadata: {name: u}": `field "metadata" is there twice`,
	} {
		s, _ := run(t, head+text)
		var all []string
		for _, d := range s.Diags {
			all = append(all, d.String())
		}
		if got := strings.Join(all, "\n"); !strings.Contains(got, want) || len(s.Results) > 0 {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// What is meant as a test is never passed over in silence.
func TestParseFindsTests(t *testing.T) {
	for text, want := range map[string]string{
		"kind: PolicyTest": `apiVersion is ""`,
		"apiVersion: sluice.dev/v1\nkind: PolicyTest":                                `apiVersion is "sluice.dev/v1"`,
		"apiVersion: sluice.dev/v1alpha1\nkind: Policytests":                         `kind is "Policytests"`,
		`{"apiVersion": "sluice.dev/v1alpha1", "kind": "PolicyTest"}`:                "metadata.name is missing",
		"kind: List\napiVersion: v1\nitems:\n- {kind: PolicyTest}":                   "t.yaml:4:3: error: a PolicyTest cannot be an item of a list",
		`{"kind": "List", "items": [{"kind": "PolicyTest"}]}`:                        "cannot be an item",
		"[{kind: PolicyTest}]":                                                       "cannot be an item",
		"a: PolicyTest":                                                              "",
		"apiVersion: example.com/v1\nkind: PolicyTest":                               "",
		"apiVersion: sluice.dev/v1alpha1\nkind: Other\nmetadata: {name: PolicyTest}": "",
		"kind: PolicyTest: x":                                                        "",
	} {
		var ds diag.List
		for _, d := range Parse("t.yaml", []byte(text)) {
			ds = append(ds, d.Diags...)
		}
		if got := fmt.Sprint(ds); (want == "") != (len(ds) == 0) || !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	if docs := Parse("t.yaml", []byte("---\n"+head+"---\n"+head)); len(docs) != 2 || docs[1].Pos.Line != 6 {
		t.Errorf("two documents: %+v", docs)
	}
}

func TestTooManyConnections(t *testing.T) {
	var list strings.Builder
	for i := range 60 {
		fmt.Fprintf(&list, "10.0.9.%d, ", i+1)
	}
	var ports strings.Builder
	for i := range 60 {
		fmt.Fprintf(&ports, "%d/TCP, ", i+1)
	}
	s, _ := run(t, fmt.Sprintf("%scases: [{from: [%s], to: [%s], port: [%s], expect: allow}]", head, &list, &list, &ports))
	if len(s.Diags) != 1 || !strings.Contains(s.Diags[0].Message, "more than 100000 connections") {
		t.Error(s.Diags)
	}
}

func TestJUnit(t *testing.T) {
	passing, _ := run(t, head+"cases: [{name: 'a <b> \"c\"', from: s/web-2, to: s/db, port: [80/TCP, 81/TCP], expect: allow}]")
	broken, _ := run(t, head)
	r := Report{Suites: []Suite{passing, broken, {Name: "another", Results: []Result{{Name: "test_x", Passed: true}}}}}
	var out bytes.Buffer
	if err := r.WriteJUnit(&out); err != nil {
		t.Fatal(err)
	}
	var doc junitReport
	if err := xml.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Tests != 4 || doc.Failures != 1 || doc.Errors != 1 || len(doc.Suites) != 3 {
		t.Errorf("%s", &out)
	}
	c := doc.Suites[0].Cases[1]
	if c.Name != `a <b> "c": s/web-2 -> s/db 81/TCP` || c.Class != "t" || c.Line != 4 || c.Failure == nil || !strings.HasPrefix(c.Failure.Message, "want allow; got deny, ingress by ") {
		t.Errorf("%+v", c)
	}
	if e := doc.Suites[1].Cases[0].Error; e == nil || !strings.Contains(e.Text, "t.yaml:1:1: error") {
		t.Errorf("%s", &out)
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := (&Report{}).WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `"suites": []`) {
		t.Errorf("%s", &out)
	}
	s, run := run(t, head+"cases: [{from: s/web-2, to: s/db, port: [80/TCP, 81/TCP], expect: allow}]")
	out.Reset()
	if err := (&Report{Suites: []Suite{s}, Coverage: run.Coverage()}).WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var doc jsonReport
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.SchemaVersion != 1 || doc.Passed != 1 || doc.Failed != 1 || doc.Suites[0].Tests[1].Answer.Verdict != "deny" || doc.Coverage.Tested != 2 {
		t.Errorf("%s", &out)
	}
}

func TestCoverage(t *testing.T) {
	c := &Coverage{Rules: 3, Tested: 2}
	if c.Below(66) || !c.Below(67) || (&Coverage{}).Below(100) {
		t.Error("wrong threshold")
	}
	if c := NewRunner(&artifact.Ruleset{}).Coverage(); c.Percent != 100 {
		t.Errorf("nothing to test: %+v", c)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(head + "tables:\n- port: ICMP\n  table: |\n    from\\to s/db\n    s/web-1 deny\n"))
	f.Add([]byte(head + "cases: [{from: s/db, to: [s/db], port: 1/TCP, expect: allow, by: a/b c}]"))
	rs := cluster()
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, d := range Parse("t.yaml", text) {
			s := NewRunner(rs).Run(d)
			if len(s.Diags) == 0 && len(s.Results) == 0 {
				t.Error("a document without errors tests nothing")
			}
		}
	})
}
