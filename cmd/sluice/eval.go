package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/internal/query"
)

func newEval() *cobra.Command {
	var in input
	var queries string
	cmd := &cobra.Command{
		Use:   "eval (PATH...|FILE) --queries FILE",
		Short: "Answer questions about connections, one JSON line each",
		Long: `Eval reads one JSON query a line and prints one JSON answer a line, in the
same order, from an artifact or from manifests. A query without an answer gets
{"error": "..."} on its line, and the exit status is 1 at the end.`,
		Args: pathArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if queries == "" {
				return errors.New("eval: no queries: give --queries FILE (- for standard input)")
			}
			r, err := openQueries(cmd, queries, args)
			if err != nil {
				return err
			}
			defer r.Close() //nolint:errcheck // only read
			rs, err := in.ruleset(cmd, args)
			if err != nil {
				return err
			}
			return evalLines(r, cmd.OutOrStdout(), query.New(rs))
		},
	}
	in.register(cmd)
	cmd.Flags().StringVar(&queries, "queries", "", "read queries from `FILE`; - for standard input")
	return cmd
}

func openQueries(cmd *cobra.Command, name string, args []string) (io.ReadCloser, error) {
	if name != "-" {
		return os.Open(name)
	}
	for _, a := range args {
		if a == "-" {
			return nil, errors.New("eval: standard input cannot be both manifests and queries")
		}
	}
	return io.NopCloser(cmd.InOrStdin()), nil
}

// evalLines answers each line of r that is not blank.
func evalLines(r io.Reader, w io.Writer, e *query.Evaluator) (err error) {
	out := bufio.NewWriter(w)
	defer func() { err = errors.Join(err, out.Flush()) }()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	lines := bufio.NewReader(r)
	failed := false
	for {
		line, readErr := lines.ReadBytes('\n')
		if text := bytes.TrimSpace(line); len(text) > 0 {
			var answer any
			q, qErr := query.Parse(text)
			if qErr == nil {
				answer, qErr = e.Eval(q)
			}
			if qErr != nil {
				failed = true
				answer = map[string]string{"error": qErr.Error()}
			}
			if err := enc.Encode(answer); err != nil {
				return err
			}
		}
		if errors.Is(readErr, io.EOF) {
			break
		}
		if readErr != nil {
			return fmt.Errorf("read queries: %w", readErr)
		}
	}
	if failed {
		return findings()
	}
	return nil
}
