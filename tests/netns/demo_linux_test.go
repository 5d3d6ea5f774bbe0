package netns

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/internal/artifact"
	"github.com/sluice-net/sluice/internal/demo"
)

func runDemo(t *testing.T, sluiced string) (string, error) {
	t.Helper()
	privileged(t)
	var out strings.Builder
	start := time.Now()
	err := demo.Run(t.Context(), demo.Options{
		Out: &out, Sluiced: sluiced, Plugins: []string{os.Getenv("SLUICE_CNI_BIN"), plugins},
	})
	t.Logf("%v\n%s", time.Since(start), out.String())
	return out.String(), err
}

// Every pair of the shop's workloads, before and after three changes.
func TestDemo(t *testing.T) {
	out, err := runDemo(t, sluiced(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"9,600 of 9,600 connections as compiled",
		"report -> orders http 8081/TCP is let through after",
		"tenant -> catalog http 3550/TCP is dropped after",
		"tenant -> outside https 443/TCP is dropped after",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not say %q", want)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colour, although there is no terminal")
	}
}

// A demo that cannot fail shows nothing: here sluiced only says that it
// enforces.
func TestDemoShoutsWhenNothingIsEnforced(t *testing.T) {
	t.Setenv(impostor, "1")
	out, err := runDemo(t, os.Args[0])
	if !errors.Is(err, demo.ErrDiffers) {
		t.Errorf("the demo ends with %v, want %v", err, demo.ErrDiffers)
	}
	for _, want := range []string{"NOT as compiled", "want it dropped, was passed; isolated by NetworkPolicy/"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not say %q", want)
		}
	}
}

// impostor makes this program take sluiced's place: it does nothing, and
// claims otherwise.
const impostor = "SLUICE_TEST_IMPOSTOR"

func pretend() {
	file := os.Args[len(os.Args)-1]
	for {
		if f, err := os.Open(file); err == nil {
			if rs, err := artifact.Decode(f, artifact.Limits{}); err == nil {
				fmt.Println("ruleset applied", rs.Digest)
			}
			_ = f.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
}
