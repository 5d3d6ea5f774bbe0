package nft

import "github.com/sluice-net/sluice/internal/artifact"

// RenderFolding is Render with other limits on what is folded.
func RenderFolding(rs *artifact.Ruleset, node string, lookups, foldPorts, foldElements, union int) (*Table, error) {
	t, _, err := render(rs, node, limits{lookups, foldPorts, foldElements, union})
	return t, err
}
