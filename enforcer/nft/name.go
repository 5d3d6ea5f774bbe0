package nft

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluice-net/sluice/internal/artifact"
)

// maxComment is the longest comment in bytes: the nft program reserves 128,
// one of them for the end.
const maxComment = 127

// comment makes s a comment that the nft program reads back: no quotation
// marks (its language has no escape for them), no control characters, not too
// long.
func comment(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r == 0x7f:
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) <= maxComment {
		return s
	}
	const more = "..."
	cut := maxComment - len(more)
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + more
}

// policyComment names the policies behind a rule: as many as fit, then how
// many more there are.
func policyComment(rs *artifact.Ruleset, lead string, rules []artifact.RuleID) string {
	var names []string
	seen := map[string]bool{}
	for _, id := range rules {
		if n := rs.Program.Rules[id].Policy(); !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	var b strings.Builder
	b.WriteString(lead)
	for i, n := range names {
		rest := fmt.Sprintf(", +%d more", len(names)-i)
		if i > 0 {
			if b.Len()+len(", ")+len(n)+len(rest) > maxComment {
				b.WriteString(rest)
				break
			}
			b.WriteString(", ")
		}
		b.WriteString(n)
	}
	return comment(b.String())
}
