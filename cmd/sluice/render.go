package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/enforcer/nft"
)

func newRender() *cobra.Command {
	var node string
	cmd := &cobra.Command{
		Use:   "render FILE --node NAME",
		Short: "Print a node's table as an nft script",
		Long: `Render prints the script that gives nft -f the very table that sluiced loads
on the node.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if node == "" {
				return errors.New("render: no node: give --node NAME")
			}
			rs, err := readArtifact(args[0])
			if err != nil {
				return err
			}
			table, err := nft.Render(rs, node)
			if err != nil {
				return &exitError{status: exitFindings, err: err}
			}
			_, err = io.WriteString(cmd.OutOrStdout(), table.Script())
			return err
		},
	}
	cmd.Flags().StringVar(&node, "node", "", "`name` of the node")
	return cmd
}
