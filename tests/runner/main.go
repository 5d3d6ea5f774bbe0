// Command runner runs go test and says what ran, what failed, and what was
// skipped and why; a skipped test is easy to overlook in go test's own output.
//
//	go run ./tests/runner [-strict [-may-skip TEXT]...] -- GO-TEST-ARGUMENTS
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// event is a line of go test -json (see "go doc test2json").
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64
	Output  string
}

type tally struct {
	passed, failed int
	skipped        []string
	output         map[string][]string // of tests that still run
}

func main() {
	strict := flag.Bool("strict", false, "fail when a test was skipped")
	var may []string
	flag.Func("may-skip", "with -strict, let a skip pass whose reason contains `text` (repeatable)", func(s string) error {
		may = append(may, s)
		return nil
	})
	flag.Parse()
	os.Exit(run(*strict, may, flag.Args()))
}

func run(strict bool, may, args []string) int {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	t := &tally{output: map[string][]string{}}
	t.read(out, os.Stdout)
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if len(t.skipped) > 0 {
		fmt.Println("\nskipped:")
		slices.Sort(t.skipped)
		for _, s := range t.skipped {
			fmt.Println("  " + s)
		}
	}
	fmt.Printf("\n%d passed, %d failed, %d skipped\n", t.passed, t.failed, len(t.skipped))
	switch {
	case err != nil || t.failed > 0:
		return 1
	case t.passed == 0:
		fmt.Println("no test ran")
		return 1
	case strict && slices.ContainsFunc(t.skipped, func(s string) bool {
		return !slices.ContainsFunc(may, func(text string) bool { return strings.Contains(s, text) })
	}):
		fmt.Println("a test was skipped that has to run here")
		return 1
	}
	return 0
}

// read follows the events of go test and prints packages as they end.
func (t *tally) read(r io.Reader, w io.Writer) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(w, lines.Text()) // build errors are plain text
			continue
		}
		t.event(e, w)
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(w, err)
		t.failed++
	}
}

func (t *tally) event(e event, w io.Writer) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		t.output[key] = append(t.output[key], e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	text := t.output[key]
	delete(t.output, key)
	if e.Test == "" {
		if e.Action == "fail" {
			fmt.Fprint(w, strings.Join(text, ""))
		} else if e.Action == "pass" {
			fmt.Fprintf(w, "ok    %-60s %.1fs\n", e.Package, e.Elapsed)
		}
		return
	}
	switch e.Action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
		fmt.Fprintf(w, "FAIL  %s %s\n%s", e.Package, e.Test, strings.Join(text, ""))
	case "skip":
		t.skipped = append(t.skipped, e.Package+" "+e.Test+": "+reason(text))
	}
}

// reason finds what the test said when it skipped itself.
func reason(output []string) string {
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			return line
		}
	}
	return "no reason given"
}
