// Command sluice compiles Kubernetes network policies to ruleset artifacts and
// answers questions about them. See README.md and docs/.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// The exit statuses of every command.
const (
	exitOK       = 0
	exitFindings = 1 // the input has problems, or a question has no answer
	exitFailed   = 2 // could not run: no such path, bad flag, cannot write
)

// exitError ends the program with a status. An empty text means that all was
// said already.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// findings ends with exitFindings, silently: the findings have been printed.
func findings() error { return &exitError{status: exitFindings} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	cmd := newRoot()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintf(os.Stderr, "sluice: %v\n", exit.err)
		}
		return exit.status
	default:
		fmt.Fprintf(os.Stderr, "sluice: %v\n", err)
		return exitFailed
	}
}
