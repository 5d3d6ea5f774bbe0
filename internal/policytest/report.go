package policytest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/sluice-net/sluice/internal/query"
)

// Report is the outcome of a run. Coverage is nil where nobody asked.
type Report struct {
	Suites   []Suite
	Coverage *Coverage
}

// Counts returns how many tests passed and failed, and how many suites were
// not run.
func (r *Report) Counts() (passed, failed, notRun int) {
	for i := range r.Suites {
		p, f := r.Suites[i].counts()
		passed, failed = passed+p, failed+f
		if len(r.Suites[i].Diags) > 0 {
			notRun++
		}
	}
	return passed, failed, notRun
}

func (s *Suite) counts() (passed, failed int) {
	for i := range s.Results {
		if s.Results[i].Passed {
			passed++
		} else {
			failed++
		}
	}
	return passed, failed
}

// WriteText writes a line for each failure, and if verbose for each test that
// passed, then totals and coverage. Findings are not among them.
func (r *Report) WriteText(w io.Writer, verbose bool) error {
	out := bufio.NewWriter(w)
	for i := range r.Suites {
		for j := range r.Suites[i].Results {
			t := &r.Suites[i].Results[j]
			switch {
			case !t.Passed:
				fmt.Fprintf(out, "%s:%d: FAIL %s: want %s; got %s\n", t.Pos.File, t.Pos.Line, t.title(), t.Want, t.Got)
			case verbose:
				fmt.Fprintf(out, "%s:%d: ok   %s: %s\n", t.Pos.File, t.Pos.Line, t.title(), t.Got)
			}
		}
	}
	passed, failed, notRun := r.Counts()
	fmt.Fprintf(out, "%d passed, %d failed", passed, failed)
	if notRun > 0 {
		fmt.Fprintf(out, ", %d not run for errors in them", notRun)
	}
	out.WriteByte('\n')
	if r.Coverage != nil {
		if err := r.Coverage.Write(out); err != nil {
			return err
		}
	}
	return out.Flush()
}

// The JSON form of a report.
type (
	jsonReport struct {
		SchemaVersion int         `json:"schemaVersion"`
		Passed        int         `json:"passed"`
		Failed        int         `json:"failed"`
		NotRun        int         `json:"notRun"` // suites
		Suites        []jsonSuite `json:"suites"`
		Coverage      *Coverage   `json:"coverage,omitempty"`
	}
	jsonSuite struct {
		Name   string      `json:"name"`
		File   string      `json:"file"`
		Line   int         `json:"line"`
		Errors []jsonError `json:"errors"`
		Tests  []jsonTest  `json:"tests"`
	}
	jsonError struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Col     int    `json:"col"`
		Message string `json:"message"`
	}
	jsonTest struct {
		Name       string        `json:"name,omitempty"`
		Connection string        `json:"connection,omitempty"`
		File       string        `json:"file"`
		Line       int           `json:"line"`
		Passed     bool          `json:"passed"`
		Want       string        `json:"want"`
		Got        string        `json:"got"`
		Answer     *query.Answer `json:"answer,omitempty"`
	}
)

// WriteJSON writes everything, as docs/test.md describes it.
func (r *Report) WriteJSON(w io.Writer) error {
	doc := jsonReport{SchemaVersion: 1, Suites: []jsonSuite{}, Coverage: r.Coverage}
	doc.Passed, doc.Failed, doc.NotRun = r.Counts()
	for i := range r.Suites {
		s := &r.Suites[i]
		js := jsonSuite{Name: s.Name, File: s.Pos.File, Line: s.Pos.Line, Errors: []jsonError{}, Tests: []jsonTest{}}
		for _, d := range s.Diags {
			js.Errors = append(js.Errors, jsonError{d.Pos.File, d.Pos.Line, d.Pos.Col, d.Message})
		}
		for j := range s.Results {
			t := &s.Results[j]
			js.Tests = append(js.Tests, jsonTest{t.Name, t.Connection, t.Pos.File, t.Pos.Line, t.Passed, t.Want, t.Got, t.Answer})
		}
		doc.Suites = append(doc.Suites, js)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}
