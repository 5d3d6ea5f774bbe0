package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/compiler/source"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/config"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/verify"
	"github.com/sluice-net/sluice/rego"
)

// input is what every command that reads PATHs has in common.
type input struct {
	configFile  string
	rego        []string
	verbose     bool
	noColor     bool
	defaultDeny bool
	noValidate  bool
	config      config.Config
	text        func(path string, src []byte) // sees every file that is read, if set
}

// register adds the shared flags to cmd and reads the settings before it runs.
func (in *input) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&in.configFile, "config", "", "settings `file` (default .sluice.yaml, if there is one)")
	f.StringArrayVar(&in.rego, "rego", nil, "segment rules: Rego modules, data files or bundles at `PATH` (repeatable)")
	f.BoolVarP(&in.verbose, "verbose", "v", false, "say what was skipped, and why")
	f.BoolVar(&in.noColor, "no-color", false, "no colour, whatever the output is")
	f.BoolVar(&in.defaultDeny, "default-deny", false, "deny what no policy decides (Kubernetes allows it)")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		c, err := config.Load(in.configFile)
		if err != nil {
			return err
		}
		in.config = c
		if !cmd.Flags().Changed("default-deny") {
			in.defaultDeny = c.DefaultDeny
		}
		in.noColor = in.noColor || c.NoColor
		in.rego = append(slices.Clone(c.Rego), in.rego...)
		return nil
	}
}

// colour reports whether w should get colour: a terminal, and nobody objects
// (https://no-color.org).
func (in *input) colour(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && !in.noColor && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
}

// load reads PATHs and segment rules. An error means that it could not run.
func (in *input) load(cmd *cobra.Command, paths []string) (*model.Snapshot, diag.List, error) {
	snap, ds, err := source.Load(paths, source.Options{Stdin: cmd.InOrStdin(), Text: in.text})
	if err != nil || len(in.rego) == 0 {
		return snap, ds, err
	}
	rules, more, err := rego.Load(in.rego)
	if err != nil {
		return nil, nil, err
	}
	ds = append(ds, more...)
	policies, more := rules.Compile(cmd.Context(), rego.NewInventory(snap))
	ds = append(ds, more...)
	snap.Policies = append(snap.Policies, policies...)
	snap.Inputs = append(snap.Inputs, rules.Inputs...)
	return snap, ds, nil
}

// compile reads and compiles PATHs. Problems of the input are printed, all of
// them, and end in exitFindings.
func (in *input) compile(cmd *cobra.Command, paths []string, o compiler.Options) (*artifact.Ruleset, *model.Snapshot, error) {
	snap, ds, err := in.load(cmd, paths)
	if err != nil {
		return nil, nil, err
	}
	if ds.Has(diag.Error) {
		in.print(cmd.ErrOrStderr(), ds)
		return nil, nil, findings()
	}
	if len(snap.Inputs) == 0 {
		// A wrong path must not become a ruleset that allows everything.
		in.print(cmd.ErrOrStderr(), ds)
		return nil, nil, &exitError{status: exitFindings, err: errors.New("the input has no Kubernetes object: nothing to compile")}
	}
	o.DefaultDeny = in.defaultDeny
	rs, more := compiler.Compile(snap, o)
	ds = append(ds, more...)
	in.print(cmd.ErrOrStderr(), ds)
	if rs == nil {
		return nil, nil, findings()
	}
	if !in.noValidate {
		if r := verify.Run(snap, rs, verify.Options{}); len(r.Failures) > 0 {
			return nil, nil, &exitError{status: exitFailed, err: fmt.Errorf(
				"the compiled ruleset does not mean what the policies say; nothing was written\n"+
					"  %v\nThis is a mistake of sluice, not of the policies: please report it with them", r.Failures[0])}
		}
	}
	return rs, snap, nil
}

// print writes errors and warnings, and notes if asked to.
func (in *input) print(w io.Writer, ds diag.List) {
	ds.Sort()
	for _, d := range ds {
		if d.Severity > diag.Note || in.verbose {
			fmt.Fprintln(w, d)
		}
	}
	if n := ds.Count(diag.Error); n > 0 {
		fmt.Fprintf(w, "%d %s; nothing was written\n", n, plural(n, "error", "errors"))
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// ruleset returns the artifact that the arguments name, or compiles them.
func (in *input) ruleset(cmd *cobra.Command, args []string) (*artifact.Ruleset, error) {
	if len(args) == 1 && isArtifact(args[0]) {
		if cmd.Flags().Changed("rego") {
			return nil, fmt.Errorf("--rego %s: %s is an artifact, with its segment rules in it", in.rego[0], args[0])
		}
		return readArtifact(args[0])
	}
	rs, _, err := in.compile(cmd, args, compiler.Options{})
	return rs, err
}

// isArtifact reports whether the file begins as artifacts do.
func isArtifact(path string) bool {
	if path == "-" {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // only read
	head := make([]byte, artifact.MagicLen)
	_, err = io.ReadFull(f, head)
	return err == nil && artifact.HasMagic(head)
}

// readArtifact decodes the artifact at path; "-" is standard input. What is no
// valid artifact ends in exitFindings.
func readArtifact(path string) (*artifact.Ruleset, error) {
	var r io.Reader = os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // only read
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return nil, fmt.Errorf("%s is a directory: want an artifact", path)
		}
		r = f
	}
	rs, err := artifact.Decode(bufio.NewReader(r), artifact.Limits{})
	if err != nil {
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			return nil, err
		}
		return nil, &exitError{status: exitFindings, err: fmt.Errorf("%s: %w", path, err)}
	}
	return rs, nil
}
