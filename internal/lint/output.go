package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sluice-net/sluice/internal/diag"
)

// Format writes findings, which are sorted. Colour is for text only.
type Format func(w io.Writer, ds diag.List, colour bool) error

// Formats are the values of lint's -o.
var Formats = map[string]Format{"text": Text, "json": JSON, "sarif": SARIF, "github": GitHub}

var paint = map[diag.Severity]string{diag.Error: "\x1b[31m", diag.Warning: "\x1b[33m", diag.Note: "\x1b[36m"}

// Text writes a line for each finding, as compilers do, its hint below it, and
// a line with the totals.
func Text(w io.Writer, ds diag.List, colour bool) error {
	var b strings.Builder
	for _, d := range ds {
		sev := d.Severity.String()
		if colour {
			sev = paint[d.Severity] + sev + "\x1b[0m"
		}
		fmt.Fprintf(&b, "%s: %s: ", d.Pos, sev)
		if d.Object != "" {
			fmt.Fprintf(&b, "%s: ", d.Object)
		}
		b.WriteString(d.Message)
		if d.Code != "" {
			fmt.Fprintf(&b, " [%s]", d.Code)
		}
		b.WriteByte('\n')
		if d.Hint != "" {
			fmt.Fprintf(&b, "    %s\n", d.Hint)
		}
	}
	errs, warns := ds.Count(diag.Error), ds.Count(diag.Warning)
	if errs+warns == 0 {
		b.WriteString("no findings\n")
	} else {
		fmt.Fprintf(&b, "%s, %s\n", count(errs, "error"), count(warns, "warning"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// Report is lint's JSON output. SchemaVersion changes when a field changes its
// meaning or goes away.
type Report struct {
	SchemaVersion int       `json:"schemaVersion"`
	Findings      []Finding `json:"findings"`
	Summary       Summary   `json:"summary"`
}

// Finding is one finding; Line and Column are 1-based and 0 when unknown.
type Finding struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Object   string `json:"object,omitempty"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

// Summary counts findings by severity.
type Summary struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Notes    int `json:"notes"`
}

// JSON writes a Report.
func JSON(w io.Writer, ds diag.List, _ bool) error {
	r := Report{
		SchemaVersion: 1, Findings: []Finding{},
		Summary: Summary{ds.Count(diag.Error), ds.Count(diag.Warning), ds.Count(diag.Note)},
	}
	for _, d := range ds {
		r.Findings = append(r.Findings, Finding{
			ID: d.Code, Severity: d.Severity.String(), File: d.Pos.File, Line: d.Pos.Line, Column: d.Pos.Col,
			Object: d.Object, Message: d.Message, Hint: d.Hint,
		})
	}
	return writeJSON(w, r)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// GitHub writes workflow commands, which GitHub shows as annotations
// (docs.github.com, "Workflow commands for GitHub Actions").
func GitHub(w io.Writer, ds diag.List, _ bool) error {
	level := map[diag.Severity]string{diag.Error: "error", diag.Warning: "warning", diag.Note: "notice"}
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&b, "::%s file=%s", level[d.Severity], property.Replace(filepath.ToSlash(d.Pos.File)))
		if d.Pos.Line > 0 {
			fmt.Fprintf(&b, ",line=%d", d.Pos.Line)
		}
		if d.Pos.Col > 0 {
			fmt.Fprintf(&b, ",col=%d", d.Pos.Col)
		}
		if d.Code != "" {
			fmt.Fprintf(&b, ",title=%s", property.Replace(d.Code))
		}
		text := d.Message
		if d.Object != "" {
			text = d.Object + ": " + text
		}
		if d.Hint != "" {
			text += "\n" + d.Hint
		}
		fmt.Fprintf(&b, "::%s\n", data.Replace(text))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
