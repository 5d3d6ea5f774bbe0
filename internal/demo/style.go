package demo

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// style is an ANSI escape for text; "" leaves it as it is.
type style string

// The styles.
const (
	plain  style = ""
	bold   style = "1"
	faint  style = "2"
	green  style = "32"
	yellow style = "33"
	alarm  style = "1;97;41"
)

// screen writes to a terminal or to something that wants no colour.
type screen struct {
	w      io.Writer
	colour bool
	start  time.Time
}

// paint returns the text in a style.
func (s *screen) paint(st style, text string) string {
	if !s.colour || st == plain || text == "" {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

func (s *screen) printf(format string, args ...any) { fmt.Fprintf(s.w, format, args...) }

// step says what is being done, and what came of it, with the time since the
// start.
func (s *screen) step(name, format string, args ...any) {
	s.printf("%s %s %s\n", s.paint(faint, fmt.Sprintf("%5.1f s", time.Since(s.start).Seconds())),
		s.paint(bold, fmt.Sprintf("%-9s", name)), fmt.Sprintf(format, args...))
}

// more adds a line to a step.
func (s *screen) more(format string, args ...any) {
	s.printf("%s%s\n", strings.Repeat(" ", 18), fmt.Sprintf(format, args...))
}

// count renders "1 pod" and "1,234 pods".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// thousands renders 1234 as "1,234".
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
