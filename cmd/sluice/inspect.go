package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/internal/query"
)

func newInspect() *cobra.Command {
	var format string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what is in an artifact",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("inspect: -o %s: want text or json", format)
			}
			rs, err := readArtifact(args[0])
			if err != nil {
				return err
			}
			var size int64
			if info, err := os.Stat(args[0]); err == nil {
				size = info.Size()
			}
			s := query.Summarise(rs, size)
			if format == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				return enc.Encode(s)
			}
			return printSummary(cmd.OutOrStdout(), s, verbose)
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", "text", "`format`: text or json")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "list every profile's clauses")
	return cmd
}

func printSummary(w io.Writer, s query.Summary, verbose bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "digest      %s\n", s.Digest)
	fmt.Fprintf(&b, "schema      %d\n", s.ArtifactSchema)
	fmt.Fprintf(&b, "generation  %d\n", s.Generation)
	if s.Parent != "" {
		fmt.Fprintf(&b, "parent      %s\n", s.Parent)
	}
	fmt.Fprintf(&b, "size        %d bytes\n", s.Bytes)
	fmt.Fprintf(&b, "default     %s what no tier decides\n", s.Default)
	c := s.Counts
	fmt.Fprintf(&b, "program     %d rules, %d clauses, %d tiers, %d profiles, %d port sets, %d blocks, %d groups, %d domains\n",
		c.Rules, c.Clauses, c.Tiers, c.Profiles, c.PortSets, c.Blocks, c.Groups, c.Domains)
	fmt.Fprintf(&b, "membership  %d endpoints with %d addresses in %d classes on %d nodes\n",
		c.Endpoints, c.Addresses, c.Classes, c.Nodes)
	for _, n := range s.Nodes {
		fmt.Fprintf(&b, "  node %s: %d endpoints, addresses %s, pod ranges %s\n",
			n.Name, n.Endpoints, orNone(n.Addresses), orNone(n.PodCIDRs))
	}
	b.WriteString("inputs\n")
	for _, in := range s.Inputs {
		fmt.Fprintf(&b, "  %s  %s\n", in.Digest, in.Name)
	}
	if !verbose {
		_, err := io.WriteString(w, b.String())
		return err
	}
	for _, p := range s.Profiles {
		fmt.Fprintf(&b, "profile %d: %s of %d %s\n", p.ID, p.Direction, p.Endpoints, plural(p.Endpoints, "endpoint", "endpoints"))
		for _, t := range p.Tiers {
			fmt.Fprintf(&b, "  %s\n", t.Tier)
			for _, st := range t.Clauses {
				fmt.Fprintf(&b, "    %s %s on %s  %s %s (%s)\n", st.Verdict, st.Peer, st.Ports,
					st.Rules[0].Policy, st.Rules[0].Rule, st.Rules[0].Source)
			}
			fmt.Fprintf(&b, "    else %s\n", t.End)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
