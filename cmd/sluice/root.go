package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Compile Kubernetes network policies to verified ruleset artifacts",
		Long: `sluice reads NetworkPolicies and the objects that they select, and compiles
them to one flat ruleset artifact, which sluiced loads into nftables on each
node.

Exit status: 0 all is well; 1 the input has problems or a question has no
answer; 2 sluice could not run (no such path, bad flag, cannot write).`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.AddCommand(
		newLint(), newCompile(), newInspect(), newVerify(), newRender(), newEval(), newExplain(), newTest(), newDemo(),
	)
	return root
}

// version returns the module's version as the Go tool recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

// pathArgs insists on at least one PATH.
func pathArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s: no PATH given: name files, directories or - for standard input", cmd.CommandPath())
	}
	return nil
}
