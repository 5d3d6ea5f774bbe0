package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-net/sluice/enforcer/nft/nfttest"
	"github.com/sluice-net/sluice/internal/artifact"
)

// build returns the program's path.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "sluiced")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

func encode(t *testing.T, seed uint64) []byte {
	t.Helper()
	b, err := artifact.Encode(nfttest.Random(t, seed))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func list() string {
	out, _ := nfttest.TryNft("", "-s", "list", "ruleset")
	return out
}

func await(t *testing.T, what string, log *bytes.Buffer, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never %s\n%s", what, log)
		}
	}
}

// The rules stand when the program ends, by whatever signal, and the next one
// goes on from there.
func TestStopsAndStarts(t *testing.T) {
	nfttest.NeedRoot(t)
	nfttest.NeedNft(t)
	bin := build(t)
	nfttest.Namespace(t)
	file := filepath.Join(t.TempDir(), "ruleset")
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(file+"~", b, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+"~", file); err != nil {
			t.Fatal(err)
		}
	}
	write(encode(t, 1))
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGINT} {
		var log bytes.Buffer
		cmd := exec.Command(bin, "run", "--ruleset", file, "--node", "n1")
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before := list()
		await(t, "enforced generation 1", &log, func() bool { return strings.Contains(list(), "gen=1 ") })
		if i > 0 && list() != before {
			t.Error("starting again changed the rules")
		}
		write(encode(t, 2))
		await(t, "enforced generation 2", &log, func() bool { return strings.Contains(list(), "gen=2 ") })
		write([]byte("no ruleset"))
		time.Sleep(100 * time.Millisecond)
		write(encode(t, 1))
		await(t, "enforced generation 1 again", &log, func() bool { return strings.Contains(list(), "gen=1 ") })
		stands := list()
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		if (err == nil) == (sig == syscall.SIGKILL) {
			t.Errorf("%v: %v\n%s", sig, err, &log)
		}
		if list() != stands {
			t.Errorf("%v changed the rules", sig)
		}
	}
}

func TestUsage(t *testing.T) {
	bin := build(t)
	for _, args := range [][]string{{"run"}, {"run", "--ruleset", "x"}, {"walk"}} {
		cmd := exec.Command(bin, args...)
		cmd.Env = []string{"NODE_NAME="}
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != 2 || !bytes.HasPrefix(out, []byte("sluiced: ")) {
			t.Errorf("sluiced %q: %v: %s", args, err, out)
		}
	}
}
