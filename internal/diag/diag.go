// Package diag carries what Sluice tells a user about their input: a stable
// code, a severity, a position, what is wrong and what to do about it.
//
// Every stage returns a List instead of stopping at the first problem, so that
// one run reports all of them. Diagnostics are about the user's input; a Go
// error is for what went wrong around it (a file that cannot be opened, a
// netlink failure).
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity orders findings. The zero value is invalid.
type Severity uint8

// The severities, the gravest last.
const (
	Note    Severity = iota + 1 // worth knowing, never a failure
	Warning                     // legal, and probably not what was meant
	Error                       // the input is refused; nothing is compiled from it
)

// String returns "note", "warning" or "error".
func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Warning:
		return "warning"
	case Error:
		return "error"
	default:
		return fmt.Sprintf("severity(%d)", uint8(s))
	}
}

// Pos is a place in an input file. Line and Col are 1-based; 0 means unknown.
// Col counts bytes, as compilers and editors do.
type Pos struct {
	File string
	Line int
	Col  int
}

// String renders file:line:col, leaving out what is unknown.
func (p Pos) String() string {
	switch {
	case p.File == "":
		return "-"
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
	}
}

// Compare orders positions by file, line and column.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(
		cmp.Compare(p.File, q.File),
		cmp.Compare(p.Line, q.Line),
		cmp.Compare(p.Col, q.Col),
	)
}

// Diagnostic is one finding.
type Diagnostic struct {
	Code     string // stable id, for example "NP003"; "" for findings without a check of their own
	Severity Severity
	Pos      Pos
	Object   string // the object concerned, "Kind/namespace/name"; "" when there is none
	Message  string // what is wrong and why, one sentence, no trailing full stop
	Hint     string // what to do about it; may be empty
}

// String renders "file:line:col: severity: message [code]".
func (d Diagnostic) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: ", d.Pos, d.Severity)
	if d.Object != "" {
		fmt.Fprintf(&b, "%s: ", d.Object)
	}
	b.WriteString(d.Message)
	if d.Code != "" {
		fmt.Fprintf(&b, " [%s]", d.Code)
	}
	if d.Hint != "" {
		fmt.Fprintf(&b, "\n\thint: %s", d.Hint)
	}
	return b.String()
}

// List is a collection of findings. The zero value is empty and ready to use.
type List []Diagnostic

// Errorf adds an error without a hint.
func (l *List) Errorf(code string, pos Pos, format string, args ...any) {
	*l = append(*l, Diagnostic{Code: code, Severity: Error, Pos: pos, Message: fmt.Sprintf(format, args...)})
}

// Warnf adds a warning without a hint.
func (l *List) Warnf(code string, pos Pos, format string, args ...any) {
	*l = append(*l, Diagnostic{Code: code, Severity: Warning, Pos: pos, Message: fmt.Sprintf(format, args...)})
}

// Add appends d.
func (l *List) Add(d Diagnostic) { *l = append(*l, d) }

// Has reports whether any finding is at or above s.
func (l List) Has(s Severity) bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity >= s })
}

// Count returns the number of findings of exactly severity s.
func (l List) Count(s Severity) int {
	n := 0
	for _, d := range l {
		if d.Severity == s {
			n++
		}
	}
	return n
}

// Sort orders findings by position, then severity (gravest first), code and
// text, so that output never depends on the order in which stages ran.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b Diagnostic) int {
		return cmp.Or(
			a.Pos.Compare(b.Pos),
			cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Object, b.Object),
			cmp.Compare(a.Message, b.Message),
		)
	})
}
