package nft

import (
	"math"

	"github.com/sluice-net/sluice/internal/artifact"
)

// RenderFolding is Render with other limits on what is folded.
func RenderFolding(rs *artifact.Ruleset, node string, lookups, foldPorts, foldElements, union int) (*Table, error) {
	return render(rs, node, limits{lookups, foldPorts, foldElements, union}, math.MaxInt)
}
