package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/verify"
)

func newVerify() *cobra.Command {
	var in input
	cmd := &cobra.Command{
		Use:   "verify FILE PATH...",
		Short: "Check that an artifact means what its sources say",
		Long: `Verify holds an artifact against the manifests: every pod and node must be in
it as they are there, and an evaluator that shares no code with the compiler
must give the same verdicts for the same reasons on questions about each rule
and each clause. It also says whether the manifests compile to these very bytes.

Exit status: 0 the artifact means what the sources say; 1 it does not, or is no
valid artifact; 2 could not run.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("verify: want an artifact and at least one PATH")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return in.runVerify(cmd, args[0], args[1:]) },
	}
	in.register(cmd)
	return cmd
}

func (in *input) runVerify(cmd *cobra.Command, file string, paths []string) error {
	rs, err := readArtifact(file)
	if err != nil {
		return err
	}
	snap, ds, err := in.load(cmd, paths)
	if err != nil {
		return err
	}
	in.print(cmd.ErrOrStderr(), ds)
	if ds.Has(diag.Error) {
		return findings()
	}
	fallback := artifact.Allow
	if in.defaultDeny {
		fallback = artifact.Deny
	}
	r := verify.Run(snap, rs, verify.Options{Default: fallback})
	out := cmd.OutOrStdout()
	if len(r.Failures) > 0 {
		for _, f := range r.Failures {
			fmt.Fprintf(out, "differs: %v\n", f)
		}
		return &exitError{status: exitFindings, err: fmt.Errorf("%s does not mean what the sources say", file)}
	}
	fmt.Fprintf(out, "%v  %s\n", rs.Digest, file)
	fmt.Fprintf(out, "agrees with the sources on %d connections\n", r.Asked)
	if r.Skipped > 0 {
		fmt.Fprintf(out, "%d more were not asked: the limit is reached\n", r.Skipped)
	}
	again, _ := compiler.Compile(snap, compiler.Options{
		DefaultDeny: in.defaultDeny, Generation: rs.Header.Generation, Parent: rs.Header.Parent,
	})
	if again != nil {
		if _, err := artifact.Encode(again); err != nil {
			return err
		}
		if again.Digest == rs.Digest {
			fmt.Fprintln(out, "the sources compile to these bytes")
		} else {
			fmt.Fprintf(out, "the sources compile to other bytes, %v: other places, names of files, or release of sluice\n", again.Digest)
		}
	}
	return nil
}
