package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/enforcer"
	"github.com/sluice-net/sluice/enforcer/nft"
	"github.com/sluice-net/sluice/internal/artifact"
)

func newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "sluiced",
		Short:         "Enforce a compiled ruleset on this node",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.AddCommand(newRunCommand())
	return cmd
}

// runOptions are the flags of sluiced run.
type runOptions struct {
	ruleset string
	node    string
	logJSON bool
}

func newRunCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run --ruleset FILE --node NAME",
		Short: "Load the ruleset into nftables and follow the file's changes",
		Long: `Load the ruleset of FILE into nftables and follow the file's changes.

Each change is one transaction: the kernel has the old rules or the new ones.
A file that is no ruleset, or none for this node, changes nothing. When sluiced
stops, the rules stay; "nft delete table inet sluice" removes them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.ruleset, "ruleset", "", "compiled ruleset to enforce; need not exist yet")
	f.StringVar(&o.node, "node", os.Getenv("NODE_NAME"), "name of this node in the ruleset (default $NODE_NAME)")
	f.BoolVar(&o.logJSON, "log-json", false, "log JSON lines")
	if err := cmd.MarkFlagRequired("ruleset"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

// memoryGoal is what the garbage collector tries to stay below, in bytes. It is
// no limit: more rules take more. Most of it is for loading, and is given back
// afterwards.
const memoryGoal = 56 << 20

func run(ctx context.Context, o runOptions) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
	}
	if o.node == "" {
		return errors.New("which node is this? Set --node or $NODE_NAME to its name in the cluster")
	}
	var h slog.Handler = slog.NewTextHandler(os.Stderr, nil)
	if o.logJSON {
		h = slog.NewJSONHandler(os.Stderr, nil)
	}
	log := slog.New(h).With("node", o.node)
	k, err := nft.Open(o.node, nft.Options{})
	if err != nil {
		return fmt.Errorf("open nftables (needs root or CAP_NET_ADMIN): %w", err)
	}
	log.Info("enforcing", "ruleset", o.ruleset)
	err = enforcer.New(enforcer.Config{Path: o.ruleset, Log: log}, target{k}).Run(ctx)
	return errors.Join(err, k.Close())
}

// target makes the kernel's table an enforcer.Target.
type target struct{ kernel *nft.Kernel }

func (t target) Sync(ctx context.Context, want *artifact.Ruleset) (enforcer.Report, error) {
	rep, err := t.kernel.Sync(ctx, want)
	if errors.Is(err, nft.ErrUnknownNode) {
		err = fmt.Errorf("%w: %w", enforcer.ErrRefused, err)
	}
	if rep.Transaction == nft.Replaced {
		// Loading takes several times the memory that is kept.
		debug.FreeOSMemory()
	}
	return enforcer.Report{
		Transaction: string(rep.Transaction), Elements: rep.Elements, Commit: rep.Commit, Recovered: rep.Recovered,
	}, err
}
