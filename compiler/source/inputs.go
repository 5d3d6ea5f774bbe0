package source

import (
	"cmp"
	"encoding/hex"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/internal/model"
)

// inputs returns the files that are part of the snapshot, under names that
// depend on neither the machine nor the order of the arguments.
func inputs(files []*file) []model.Input {
	var out []model.Input
	for _, f := range files {
		if f.contributed() {
			out = append(out, f.Input)
		}
	}
	// Each step renames those that still share a name, all of them, so that
	// none depends on which came first.
	rename(out, cleanedPath)
	rename(out, func(in model.Input, _ int) string { return in.Name + "#" + hex.EncodeToString(in.Digest[:6]) })
	rename(out, func(in model.Input, n int) string { return in.Name + "#" + strconv.Itoa(n+1) })
	slices.SortFunc(out, func(a, b model.Input) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// rename gives inputs that share a name another; name gets the input and its
// rank by path among those of its name.
func rename(in []model.Input, name func(model.Input, int) string) {
	byName := map[string][]int{}
	for i := range in {
		byName[in[i].Name] = append(byName[in[i].Name], i)
	}
	for _, same := range byName {
		if len(same) < 2 {
			continue
		}
		slices.SortFunc(same, func(a, b int) int { return cmp.Compare(in[a].Path, in[b].Path) })
		for rank, i := range same {
			in[i].Name = name(in[i], rank)
		}
	}
}

// cleanedPath is the path without what leads out of the working directory.
func cleanedPath(in model.Input, _ int) string {
	p := path.Clean(filepath.ToSlash(in.Path))
	for strings.HasPrefix(p, "../") {
		p = p[len("../"):]
	}
	return strings.TrimLeft(p, "/")
}
