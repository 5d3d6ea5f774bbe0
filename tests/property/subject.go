// Package property holds compiled rulesets against the slow evaluator, on
// generated clusters and connections and on the hand-worked cases.
package property

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/model"
	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/verify"
)

// Compile is the compiler under test.
type Compile func(*model.Snapshot) (*artifact.Ruleset, error)

// Subject is what a compiler made of a snapshot, ready for questions.
type Subject struct {
	*verify.Checker
	Encoded []byte
}

// New compiles s. The ruleset that answers questions has been encoded and
// decoded, so that the file is what is tested.
func New(s *model.Snapshot, o oracle.Options, compile Compile) (*Subject, error) {
	built, err := compile(s)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	encoded, err := artifact.Encode(built)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	rs, err := artifact.Decode(bytes.NewReader(encoded), artifact.Limits{})
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return &Subject{verify.NewChecker(s, rs, artifact.Verdict(cmp.Or(o.Default, model.Allow))), encoded}, nil
}
