package compiler

import (
	"fmt"
	"io"

	"github.com/sluice-net/sluice/compiler/ir"
	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/diag"
	"github.com/sluice-net/sluice/internal/model"
)

// Options are what a compile depends on besides its snapshot. The zero value
// compiles as Kubernetes documents.
type Options struct {
	// DefaultDeny denies what no tier decides. Kubernetes allows it.
	DefaultDeny bool
	// Generation and Parent go into the artifact's header.
	Generation uint64
	Parent     artifact.Digest
	// Dump, if set, receives the lowered program as text after the stage of
	// that name ("lower" or "minimise").
	Dump      io.Writer
	DumpStage string
}

// stages are the IR-to-IR passes, in order.
//
// minimise must follow lower directly: it relies on each clause naming one
// rule.
var stages = []struct {
	name string
	run  func(*ir.Program)
}{
	{"minimise", minimise},
}

// Compile compiles s. When it finds an error in the snapshot it returns no
// ruleset; the snapshot is not changed and may be shared.
func Compile(s *model.Snapshot, o Options) (*artifact.Ruleset, diag.List) {
	r, ds := resolve(s)
	if ds.Has(diag.Error) {
		ds.Sort()
		return nil, ds
	}
	p := lower(r)
	if err := dump(p, o, "lower"); err != nil {
		ds.Errorf("", diag.Pos{}, "dump after lower: %v", err)
		return nil, ds
	}
	for _, st := range stages {
		st.run(p)
		if err := dump(p, o, st.name); err != nil {
			ds.Errorf("", diag.Pos{}, "dump after %s: %v", st.name, err)
			return nil, ds
		}
	}
	rs := emit(r, p, o)
	if err := rs.Validate(); err != nil {
		panic(fmt.Sprintf("compiler: emitted an invalid ruleset: %v", err))
	}
	ds.Sort()
	return rs, ds
}

func dump(p *ir.Program, o Options, stage string) error {
	if o.Dump == nil || o.DumpStage != stage {
		return nil
	}
	return p.Dump(o.Dump)
}
