package source

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// TestGolden loads each directory of testdata and compares everything that
// comes out with want.txt beside the input.
func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if filepath.Base(dir) == "fuzz" {
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			s, diags, err := Load([]string{dir}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := dump(s, diags)
			golden := filepath.Join(dir, "want.txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// dump renders a snapshot and findings for people to review.
func dump(s *model.Snapshot, diags diag.List) string {
	var b strings.Builder
	for _, in := range s.Inputs {
		fmt.Fprintf(&b, "input %s\n", in.Name)
	}
	for _, n := range s.Namespaces {
		fmt.Fprintf(&b, "namespace %s%s%s @%s\n", n.Name, mark(n.Synthetic, " synthetic"), labels(n.Labels), at(n.Pos))
	}
	for _, n := range s.Nodes {
		fmt.Fprintf(&b, "node %s %v %v%s @%s\n", n.Name, n.Addresses, n.PodCIDRs, labels(n.Labels), at(n.Pos))
	}
	for _, p := range s.Pods {
		fmt.Fprintf(&b, "pod %s/%s of %s%s%s%s node=%q %v%s", p.Namespace, p.Name, p.Workload, mark(p.StandIn, " stand-in"),
			mark(p.HostNetwork, " host-network"), mark(p.Finished, " finished"), p.Node, p.Addresses, labels(p.Labels))
		for _, port := range p.Ports {
			fmt.Fprintf(&b, " %s:%d/%s", port.Name, port.Number, port.Protocol)
		}
		fmt.Fprintf(&b, " @%s\n", at(p.Pos))
	}
	for _, v := range s.Services {
		fmt.Fprintf(&b, "service %s/%s %v%s", v.Namespace, v.Name, v.Addresses, labels(v.Selector))
		for _, p := range v.Ports {
			fmt.Fprintf(&b, " %s:%d/%s->%d%s", p.Name, p.Port, p.Protocol, p.TargetPort, p.TargetName)
		}
		fmt.Fprintf(&b, " @%s\n", at(v.Pos))
	}
	for i := range s.Policies {
		dumpPolicy(&b, &s.Policies[i])
	}
	for _, d := range diags {
		fmt.Fprintln(&b, strings.ReplaceAll(d.String(), filepath.Dir(d.Pos.File)+"/", ""))
	}
	return b.String()
}

func dumpPolicy(b *strings.Builder, p *model.Policy) {
	priority := ""
	if p.Tier != model.TierNamespace {
		priority = fmt.Sprintf(" priority=%d", p.Priority)
	}
	fmt.Fprintf(b, "policy %s tier=%s%s @%s\n", p.Ref(), p.Tier, priority, at(p.Pos))
	fmt.Fprintf(b, "  subject %s {%s} @%s\n", p.Subject.Namespaces, p.Subject.Pods, at(p.Subject.Pos))
	for _, dir := range model.Directions {
		s := p.Sections[dir]
		if !s.Applies && len(s.Rules) == 0 {
			continue
		}
		fmt.Fprintf(b, "  %s applies=%t @%s\n", dir, s.Applies, at(s.Pos))
		for _, r := range s.Rules {
			fmt.Fprintf(b, "    %s %s%s%s @%s\n", r.ID, r.Verdict, mark(r.AnyPeer, " any-peer")+mark(r.EmptyPeers, " empty-peers"), mark(r.AnyPort, " any-port"), at(r.Pos))
			for _, q := range r.Peers {
				switch q.Kind {
				case model.PeerBlock:
					fmt.Fprintf(b, "      block %s except %v @%s\n", q.Block, q.Except, at(q.Pos))
				case model.PeerNodes:
					fmt.Fprintf(b, "      nodes {%s} @%s\n", q.Nodes, at(q.Pos))
				case model.PeerDomain:
					fmt.Fprintf(b, "      domain %s @%s\n", q.Domain, at(q.Pos))
				default:
					fmt.Fprintf(b, "      pods %s {%s} @%s\n", q.Namespaces, q.Pods, at(q.Pos))
				}
			}
			for _, port := range r.Ports {
				fmt.Fprintf(b, "      port %s @%s\n", port, at(port.Pos))
			}
		}
	}
}

func mark(set bool, s string) string {
	if set {
		return s
	}
	return ""
}

func labels(m map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, " %s=%s", k, m[k])
	}
	return b.String()
}

func at(p diag.Pos) string {
	p.File = filepath.Base(p.File)
	return p.String()
}
