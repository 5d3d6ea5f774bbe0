package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/lint"
)

func newLint() *cobra.Command {
	var in input
	var format, failOn string
	cmd := &cobra.Command{
		Use:   "lint PATH...",
		Short: "Find mistakes in policy files",
		Long: `Lint reports documents that do not parse or validate, and what is legal and
probably not meant, each with an id, file, line and column.

Exit status: 0 no finding at or above --fail-on; 1 there are; 2 could not run.`,
		Args: pathArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			write := lint.Formats[format]
			if write == nil {
				return fmt.Errorf("lint: -o %s: want one of %s", format, strings.Join(slices.Sorted(maps.Keys(lint.Formats)), ", "))
			}
			if !cmd.Flags().Changed("fail-on") && in.config.Lint.FailOn != "" {
				failOn = in.config.Lint.FailOn
			}
			threshold, ok := map[string]diag.Severity{"error": diag.Error, "warning": diag.Warning, "never": diag.Error + 1}[failOn]
			if !ok {
				return fmt.Errorf("lint: --fail-on %s: want error, warning or never", failOn)
			}
			for _, id := range in.config.Lint.Disable {
				if !lint.Known(id) {
					return fmt.Errorf("lint: the settings disable %s, which is no check", id)
				}
			}
			ds, err := in.lint(cmd, args)
			if err != nil {
				return err
			}
			if err := write(cmd.OutOrStdout(), ds, in.colour(cmd.OutOrStdout())); err != nil {
				return err
			}
			if ds.Has(threshold) {
				return findings()
			}
			return nil
		},
	}
	in.register(cmd)
	cmd.Flags().StringVarP(&format, "output", "o", "text", "`format`: text, json, sarif or github")
	cmd.Flags().StringVar(&failOn, "fail-on", "error", "exit 1 on findings of this `severity` or graver: error, warning or never")
	return cmd
}

// lint returns the findings of every stage, sorted, without those that the
// settings disable and, unless asked for, notes.
func (in *input) lint(cmd *cobra.Command, paths []string) (diag.List, error) {
	snap, ds, err := in.load(cmd, paths)
	if err != nil {
		return nil, err
	}
	var rs *artifact.Ruleset
	rs, more := compiler.Compile(snap, compiler.Options{DefaultDeny: in.defaultDeny})
	ds = append(ds, more...)
	ds = append(ds, lint.Run(snap, rs)...)
	ds = slices.DeleteFunc(ds, func(d diag.Diagnostic) bool {
		return d.Severity == diag.Note && !in.verbose ||
			d.Severity < diag.Error && slices.Contains(in.config.Lint.Disable, d.Code)
	})
	ds.Sort()
	return slices.Compact(ds), nil
}
