package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/internal/demo"
)

func newDemo() *cobra.Command {
	var sluiced, cniBin string
	var keep, noColor bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole product on this machine, without a cluster",
		Long: `Demo makes three nodes and the pods of a small shop out of network namespaces,
compiles the shop's policies, runs sluiced on each node, sends packets between
every two workloads and prints what was expected beside what came through. Then
it changes policies while all runs, and cleans up.

It needs Linux, and root or a user namespace. Nothing outside its namespaces is
touched.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := demo.Options{Out: cmd.OutOrStdout(), Plugins: pluginDirs(cniBin)}
			in := input{noColor: noColor}
			o.Colour = in.colour(cmd.OutOrStdout())
			var err error
			if o.Sluiced, err = findDaemon(sluiced); err != nil {
				return err
			}
			if keep {
				o.Pause = func() {
					fmt.Fprintln(cmd.OutOrStdout(), "Press Enter to take the cluster down.")
					_, _ = bufio.NewReader(cmd.InOrStdin()).ReadString('\n') // end of input serves as well
				}
			}
			if err := demo.Run(cmd.Context(), o); err != nil {
				if errors.Is(err, demo.ErrDiffers) {
					return &exitError{status: exitFindings, err: err}
				}
				return err
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&sluiced, "sluiced", "", "`path` of sluiced (default: beside this program, else in PATH)")
	f.StringVar(&cniBin, "cni-bin", "", "`directory` of the reference CNI plugins (default: cni beside this program, else /opt/cni/bin)")
	f.BoolVar(&keep, "keep", false, "wait for Enter before the cluster is taken down")
	f.BoolVar(&noColor, "no-color", false, "no colour, whatever the output is")
	return cmd
}

// findDaemon returns the path of sluiced.
func findDaemon(given string) (string, error) {
	if given != "" {
		return exec.LookPath(given)
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "sluiced")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath("sluiced")
	if err != nil {
		return "", fmt.Errorf("demo: sluiced is neither beside this program nor in PATH: build it with make build, or give --sluiced PATH")
	}
	return path, nil
}

func pluginDirs(given string) []string {
	if given != "" {
		return []string{given}
	}
	dirs := []string{"/opt/cni/bin", "/usr/lib/cni"}
	if self, err := os.Executable(); err == nil {
		dirs = append([]string{filepath.Join(filepath.Dir(self), "cni")}, dirs...)
	}
	return dirs
}
