// Package cli drives the sluice command as users do: each file in testdata is
// a session with its inputs and what must come out.
package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "sluice-cli")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
		binary = filepath.Join(dir, "sluice")
		build := exec.Command("go", "build", "-o", binary, "github.com/sluice-net/sluice/cmd/sluice")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// status CODE COMMAND...: runs and compares the exit status; neither
			// "exec" nor "! exec" tells 1 from 2.
			"status": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: status CODE COMMAND...")
				}
				err := ts.Exec(args[1], args[2:]...)
				code := "0"
				if err != nil {
					code = "other"
					if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // testscript returns it bare
						code = string(rune('0' + exit.ExitCode()))
					}
				}
				if code != args[0] {
					ts.Fatalf("exit status %s, want %s", code, args[0])
				}
			},
			// flip FILE OFFSET: flips the lowest bit of a byte.
			"flip": func(ts *testscript.TestScript, _ bool, args []string) {
				path := ts.MkAbs(args[0])
				b := []byte(ts.ReadFile(args[0]))
				b[len(b)/2] ^= 1
				ts.Check(os.WriteFile(path, b, 0o600))
			},
			// cut FILE: drops the last byte.
			"cut": func(ts *testscript.TestScript, _ bool, args []string) {
				path := ts.MkAbs(args[0])
				b := []byte(ts.ReadFile(args[0]))
				ts.Check(os.WriteFile(path, b[:len(b)-1], 0o600))
			},
			// future FILE: makes the schema version 2.
			"future": func(ts *testscript.TestScript, _ bool, args []string) {
				path := ts.MkAbs(args[0])
				b := []byte(ts.ReadFile(args[0]))
				b[8] = 2
				ts.Check(os.WriteFile(path, b, 0o600))
			},
		},
	})
}
