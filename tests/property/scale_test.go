package property_test

import (
	"bytes"
	"testing"

	"github.com/sluice-net/sluice/internal/oracle"
	"github.com/sluice-net/sluice/internal/oracle/gen"
	"github.com/sluice-net/sluice/tests/property"
)

// TestScale asks a cluster of a realistic size: what tables share there, small
// clusters never share.
func TestScale(t *testing.T) {
	snapshot := gen.Scale(gen.ScaleOptions{Seed: 1, Pods: 1000, DualStack: true})
	s, err := property.New(snapshot, oracle.Options{}, compileWith(0))
	if err != nil {
		t.Fatal(err)
	}
	again, err := property.New(gen.Shuffle(snapshot, 1), oracle.Options{}, compileWith(0))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Encoded, again.Encoded) {
		t.Error("the bytes depend on the order of the input")
	}
	prober := gen.NewProber(snapshot, 1)
	for range 2000 {
		c := prober.Next()
		if err := s.Check(c); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
	}
}
