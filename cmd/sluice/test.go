package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/compiler"
	"github.com/sluice-net/sluice/internal/policytest"
	"github.com/sluice-net/sluice/rego"
)

func newTest() *cobra.Command {
	var in input
	var format string
	var coverage bool
	var failUnder float64
	cmd := &cobra.Command{
		Use:   "test PATH...",
		Short: "Run the unit tests of policies",
		Long: `Test compiles PATHs and runs the PolicyTest documents among them, which say
for connections whether they must be allowed and by which policy, and the test_
rules of the modules that --rego names.

Exit status: 0 all tests pass; 1 some fail, there are none, a document has
errors, or coverage is below --fail-under; 2 could not run.`,
		Args: pathArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			write := testFormats[format]
			if write == nil {
				return fmt.Errorf("test: -o %s: want text, json or junit", format)
			}
			if !(failUnder >= 0 && failUnder <= 100) { // as NaN is not
				return fmt.Errorf("test: --fail-under %v: want a percentage, 0 to 100", failUnder)
			}
			r, err := in.test(cmd, args, coverage || cmd.Flags().Changed("fail-under"))
			if err != nil {
				return err
			}
			if err := write(cmd, r, in.verbose); err != nil {
				return err
			}
			switch passed, failed, notRun := r.Counts(); {
			case failed+notRun > 0:
				return findings()
			case passed == 0:
				return &exitError{status: exitFindings, err: errors.New("the input has no PolicyTest and the segment rules no test_ rule: nothing was tested")}
			case r.Coverage != nil && r.Coverage.Below(failUnder):
				return &exitError{status: exitFindings, err: fmt.Errorf("coverage is below %v%%", failUnder)}
			}
			return nil
		},
	}
	in.register(cmd)
	f := cmd.Flags()
	f.Lookup("verbose").Usage = "list tests that pass as well, and say what was skipped, and why"
	f.StringVarP(&format, "output", "o", "text", "`format`: text, json or junit")
	f.BoolVar(&coverage, "coverage", false, "list the rules that no test rested on")
	f.Float64Var(&failUnder, "fail-under", 0, "exit 1 when fewer `PERCENT` of the rules are tested; implies --coverage")
	return cmd
}

// testFormats write a report, and where the format has no place for coverage,
// that to standard error.
var testFormats = map[string]func(cmd *cobra.Command, r *policytest.Report, verbose bool) error{
	"text": func(cmd *cobra.Command, r *policytest.Report, verbose bool) error {
		return r.WriteText(cmd.OutOrStdout(), verbose)
	},
	"json": func(cmd *cobra.Command, r *policytest.Report, _ bool) error {
		return r.WriteJSON(cmd.OutOrStdout())
	},
	"junit": func(cmd *cobra.Command, r *policytest.Report, _ bool) error {
		err := r.WriteJUnit(cmd.OutOrStdout())
		if err == nil && r.Coverage != nil {
			err = r.Coverage.Write(cmd.ErrOrStderr())
		}
		return err
	},
}

// test compiles PATHs and runs their tests. What is wrong with test documents
// is printed whether or not the rest compiles.
func (in *input) test(cmd *cobra.Command, paths []string, coverage bool) (*policytest.Report, error) {
	var docs []*policytest.Document
	in.text = func(path string, src []byte) { docs = append(docs, policytest.Parse(path, src)...) }
	rs, _, err := in.compile(cmd, paths, compiler.Options{})
	stderr := cmd.ErrOrStderr()
	if err != nil {
		for _, d := range docs {
			printFindings(stderr, d.Diags)
		}
		return nil, err
	}
	run, r := policytest.NewRunner(rs), &policytest.Report{}
	for _, d := range docs {
		s := run.Run(d)
		printFindings(stderr, s.Diags)
		r.Suites = append(r.Suites, s)
	}
	suites, err := in.regoTests(cmd)
	if err != nil {
		return nil, err
	}
	r.Suites = append(r.Suites, suites...)
	if coverage {
		r.Coverage = run.Coverage()
	}
	return r, nil
}

// regoTests runs the test_ rules of the segment rules, a suite for each
// package.
func (in *input) regoTests(cmd *cobra.Command) ([]policytest.Suite, error) {
	if len(in.rego) == 0 {
		return nil, nil
	}
	modules, _, err := rego.Load(in.rego) // its findings have been printed
	if err != nil {
		return nil, err
	}
	results, ds := modules.Test(cmd.Context())
	if len(ds) > 0 {
		printFindings(cmd.ErrOrStderr(), ds)
		return nil, findings()
	}
	var out []policytest.Suite
	for _, t := range results {
		if t.Skipped {
			if in.verbose {
				fmt.Fprintf(cmd.ErrOrStderr(), "%v: note: %s.%s is skipped\n", t.Pos, t.Package, t.Name)
			}
			continue
		}
		if n := len(out); n == 0 || out[n-1].Name != t.Package {
			out = append(out, policytest.Suite{Name: t.Package, Pos: t.Pos})
		}
		s := &out[len(out)-1]
		result := policytest.Result{Name: t.Name, Pos: t.Pos, Passed: t.Passed, Want: "true", Got: "true"}
		if !t.Passed {
			result.Got = t.Message
		}
		s.Results = append(s.Results, result)
	}
	return out, nil
}

func printFindings[T fmt.Stringer](w io.Writer, list []T) {
	for _, d := range list {
		fmt.Fprintln(w, d)
	}
}
