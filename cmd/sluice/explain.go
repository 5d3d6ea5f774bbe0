package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/internal/query"
)

func newExplain() *cobra.Command {
	var in input
	var src, dst, port, format string
	cmd := &cobra.Command{
		Use:   "explain (PATH...|FILE) --src S --dst D --port 443/TCP",
		Short: "Show a connection's way through the tiers, with file and line",
		Long: `Explain shows what each tier says to a connection, at both ends, and why. S
and D are an IP address, namespace/pod, namespace/kind/workload or node:NAME.`,
		Args: pathArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := explainQuery(src, dst, port)
			if err != nil {
				return err
			}
			switch format {
			case "text", "json", "mermaid", "dot":
			default:
				return fmt.Errorf("explain: -o %s: want text, json, mermaid or dot", format)
			}
			rs, err := in.ruleset(cmd, args)
			if err != nil {
				return err
			}
			x, err := query.New(rs).Explain(q)
			if err != nil {
				return &exitError{status: exitFindings, err: err}
			}
			switch format {
			case "mermaid":
				_, err = io.WriteString(cmd.OutOrStdout(), x.Mermaid())
				return err
			case "dot":
				_, err = io.WriteString(cmd.OutOrStdout(), x.DOT())
				return err
			case "json":
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				return enc.Encode(struct {
					SchemaVersion int `json:"schemaVersion"`
					query.Explanation
				}{1, x})
			default:
				return printExplanation(cmd.OutOrStdout(), x, painter(in.colour(cmd.OutOrStdout())))
			}
		},
	}
	in.register(cmd)
	f := cmd.Flags()
	f.StringVar(&src, "src", "", "source `end`")
	f.StringVar(&dst, "dst", "", "destination `end`")
	f.StringVar(&port, "port", "", "destination port and protocol, as 443/TCP, or ICMP")
	f.StringVarP(&format, "output", "o", "text", "`format`: text, json, mermaid or dot")
	return cmd
}

func explainQuery(src, dst, port string) (query.Query, error) {
	var q query.Query
	var err error
	if src == "" || dst == "" || port == "" {
		return q, fmt.Errorf("explain: --src, --dst and --port are all needed")
	}
	if q.Src, err = query.ParseEnd(src); err != nil {
		return q, fmt.Errorf("explain: --src %w", err)
	}
	if q.Dst, err = query.ParseEnd(dst); err != nil {
		return q, fmt.Errorf("explain: --dst %w", err)
	}
	number, proto, ok := strings.Cut(port, "/")
	if !ok {
		number, proto = "", port
		if _, err := strconv.Atoi(port); err == nil {
			number, proto = port, "TCP"
		}
	}
	q.Protocol = proto
	if number != "" {
		n, err := strconv.Atoi(number)
		if err != nil {
			return q, fmt.Errorf("explain: --port %s: want a number and a protocol, as 443/TCP", port)
		}
		q.Port = &n
	}
	return q, nil
}

// painter colours verdicts, or does not.
type painter bool

func (p painter) verdict(v string) string {
	if !p {
		return v
	}
	switch v {
	case "allow":
		return "\x1b[32m" + v + "\x1b[0m"
	case "deny":
		return "\x1b[31m" + v + "\x1b[0m"
	default:
		return "\x1b[33m" + v + "\x1b[0m"
	}
}

func printExplanation(w io.Writer, x query.Explanation, p painter) error {
	var b strings.Builder
	what := x.Protocol
	if x.Port != 0 {
		what = fmt.Sprintf("%d/%s", x.Port, x.Protocol)
	}
	fmt.Fprintf(&b, "%s -> %s  %s: %s\n", x.Src, x.Dst, what, p.verdict(x.Verdict))
	for _, dir := range []struct {
		name, noun string
		passage    *query.Passage
	}{{"egress", "source", x.Egress}, {"ingress", "destination", x.Ingress}} {
		b.WriteByte('\n')
		if dir.passage == nil {
			fmt.Fprintf(&b, "%s: the %s is no pod that policies govern\n", dir.name, dir.noun)
			continue
		}
		writePassage(&b, dir.name, dir.passage, p)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writePassage(b *strings.Builder, name string, x *query.Passage, p painter) {
	fmt.Fprintf(b, "%s of %s: %s", name, x.Endpoint, p.verdict(x.Decision.Verdict))
	if x.Decision.Policy != "" {
		fmt.Fprintf(b, " by %s %s (%s)", x.Decision.Policy, x.Decision.Rule, x.Decision.Source)
	} else {
		fmt.Fprintf(b, " by %s", x.Decision.Tier)
	}
	b.WriteByte('\n')
	if x.Note != "" {
		fmt.Fprintf(b, "  %s\n", x.Note)
	}
	for _, t := range x.Tiers {
		fmt.Fprintf(b, "  tier %s: %s: %s\n", t.Tier, p.verdict(t.Outcome), t.Why)
		for _, s := range t.Steps {
			mark := "-"
			if s.Matched {
				mark = "*"
			}
			fmt.Fprintf(b, "    %s %s %s on %s", mark, s.Verdict, s.Peer, s.Ports)
			for i, r := range s.Rules {
				sep := ", "
				if i == 0 {
					sep = "  "
				}
				fmt.Fprintf(b, "%s%s %s (%s)", sep, r.Policy, r.Rule, r.Source)
			}
			if s.Reason != "" {
				fmt.Fprintf(b, "\n        no: %s", s.Reason)
			}
			b.WriteByte('\n')
		}
	}
	if x.Decision.Tier == "default" && len(x.Tiers) > 0 {
		fmt.Fprintf(b, "  no tier decides: the default is %s\n", p.verdict(x.Decision.Verdict))
	}
}
