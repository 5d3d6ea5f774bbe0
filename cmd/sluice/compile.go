package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/internal/artifact"
)

func newCompile() *cobra.Command {
	var in input
	var out, dump string
	var generation uint64
	cmd := &cobra.Command{
		Use:   "compile PATH... -o FILE",
		Short: "Compile policies to a ruleset artifact",
		Long: `Compile reads manifests and writes one ruleset artifact. Equal inputs give
equal bytes, in any order and on any machine. Nothing is written unless the
whole input is valid.

Every compile is checked: an evaluator that shares no code with the compiler
answers questions about each rule and each clause, and must agree.`,
		Args: pathArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" && dump == "" {
				return fmt.Errorf("compile: no output: give -o FILE (- for standard output)")
			}
			return in.runCompile(cmd, args, out, dump, generation)
		},
	}
	in.register(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the artifact to `FILE`; - for standard output")
	cmd.Flags().StringVar(&dump, "dump", "", "print the lowered program after `STAGE` (lower or minimise), for debugging")
	cmd.Flags().BoolVar(&in.noValidate, "no-validate", false, "do not hold the ruleset against the slow evaluator; for benchmarks only")
	cmd.Flags().Uint64Var(&generation, "generation", 0, "generation number to record")
	return cmd
}

func (in *input) runCompile(cmd *cobra.Command, args []string, out, dump string, generation uint64) error {
	o := compiler.Options{Generation: generation}
	if dump != "" {
		if dump != "lower" && dump != "minimise" {
			return fmt.Errorf("compile: --dump %s: want lower or minimise", dump)
		}
		o.Dump, o.DumpStage = cmd.OutOrStdout(), dump
	}
	progress := newProgress(cmd.ErrOrStderr())
	progress.step("reading, compiling and checking")
	rs, snap, err := in.compile(cmd, args, o)
	if err != nil {
		return err
	}
	progress.step("encoding")
	b, err := artifact.Encode(rs)
	if err != nil {
		return err
	}
	progress.done()
	if out == "" {
		return nil
	}
	report := cmd.OutOrStdout()
	if out == "-" {
		report = cmd.ErrOrStderr()
		_, err = cmd.OutOrStdout().Write(b)
	} else {
		err = writeFile(out, b)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(report, "%v  %s\n", rs.Digest, out)
	fmt.Fprintf(report, "%d policies, %d pods and workloads, %d nodes -> %d profiles, %d clauses, %d groups, %d bytes\n",
		len(snap.Policies), len(snap.Pods), len(snap.Nodes),
		len(rs.Program.Profiles)-1, len(rs.Program.Clauses), len(rs.Program.Groups), len(b))
	return nil
}

// writeFile replaces path in one step: a reader sees the old content or the
// new, and a failure leaves the old.
func writeFile(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()           //nolint:errcheck // the first error is the one to report
			os.Remove(f.Name()) //nolint:errcheck // as above
		}
	}()
	if _, err = f.Write(b); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// progress tells a person at a terminal which step is under way.
type progress struct {
	w     io.Writer
	start time.Time
}

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{w: w, start: time.Now()}
	}
	return &progress{}
}

func (p *progress) step(what string) {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r\x1b[K%s ...", what)
	}
}

func (p *progress) done() {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r\x1b[Kdone in %v\n", time.Since(p.start).Round(time.Millisecond))
	}
}
