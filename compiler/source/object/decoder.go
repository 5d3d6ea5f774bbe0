package object

import (
	"fmt"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/diag"
)

// decoder reads the nodes of one document and collects what is wrong with
// them. Its methods report and carry on, so that one pass finds everything.
type decoder struct {
	cache  *Cache
	file   string
	offset document.Offset
	object string // for findings, once it is known
	diags  diag.List
	failed bool
	// lenient is set for inventory: what no policy can see, or can only see as
	// it is written, is a warning then.
	lenient bool
	more    int // findings beyond the cap
}

// Cache is what one worker keeps from document to document.
type Cache struct {
	names  document.Interner
	keys   map[string]bool // label keys known to be valid
	values map[string]bool // label values known to be valid
}

// NewCache returns an empty cache.
func NewCache() *Cache {
	return &Cache{names: document.Interner{}, keys: map[string]bool{}, values: map[string]bool{}}
}

// MaxFindings caps the findings of one document: somebody who gets fifty
// fixes those first, and a hostile document must not produce millions.
const MaxFindings = 50

func (d *decoder) pos(p document.Place) diag.Pos {
	p = d.offset.Shift(p)
	return diag.Pos{File: d.file, Line: int(p.Line), Col: int(p.Col)}
}

func (d *decoder) report(sev diag.Severity, code string, at document.Place, hint, format string, args ...any) {
	if sev == diag.Error {
		d.failed = true
	}
	if len(d.diags) >= MaxFindings {
		d.more++
		return
	}
	d.diags.Add(diag.Diagnostic{
		Code: code, Severity: sev, Pos: d.pos(at), Object: shorten(d.object),
		Message: shorten(fmt.Sprintf(format, args...)), Hint: hint,
	})
}

// shorten cuts text that quotes a document at a length that people can read.
func shorten(s string) string {
	const longest = 400
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}

func (d *decoder) errorf(code string, at document.Place, hint, format string, args ...any) {
	d.report(diag.Error, code, at, hint, format, args...)
}

func (d *decoder) warnf(code string, at document.Place, hint, format string, args ...any) {
	d.report(diag.Warning, code, at, hint, format, args...)
}

// mistake reports what refuses a policy, and an object of the inventory not.
func (d *decoder) mistake(code string, at document.Place, hint, format string, args ...any) {
	sev := diag.Error
	if d.lenient {
		sev = diag.Warning
	}
	d.report(sev, code, at, hint, format, args...)
}

// finish returns the findings, with a last one for those beyond the cap.
func (d *decoder) finish(at document.Place) diag.List {
	if d.more > 0 {
		sev := diag.Warning
		if d.failed {
			sev = diag.Error
		}
		d.diags.Add(diag.Diagnostic{
			Code: CodeSyntax, Severity: sev, Pos: d.pos(at), Object: d.object,
			Message: fmt.Sprintf("the document has more problems; not shown: %d", d.more),
		})
	}
	return d.diags
}

// fields returns the members of an object. Null counts as an empty object,
// as it does for the API server.
func (d *decoder) fields(n *document.Node, what string) []document.Field {
	switch {
	case n == nil || n.Kind == document.Null:
		return nil
	case n.Kind != document.Object:
		d.wrongType(n, what, "a mapping")
		return nil
	default:
		return n.Children
	}
}

// items returns the items of a list; null counts as an empty one.
func (d *decoder) items(n *document.Node, what string) []document.Field {
	switch {
	case n == nil || n.Kind == document.Null:
		return nil
	case n.Kind != document.List:
		d.wrongType(n, what, "a list")
		return nil
	default:
		return n.Children
	}
}

// text returns a string. Null is the empty string, as in JSON.
func (d *decoder) text(n *document.Node, what string) (string, bool) {
	switch {
	case n == nil || n.Kind == document.Null:
		return "", true
	case n.Kind != document.Text:
		d.wrongType(n, what, "a string")
		return "", false
	default:
		return n.Text, true
	}
}

// number returns an integer from low to high. Null is absent: ok is false
// then, and nothing is reported.
func (d *decoder) number(n *document.Node, what string, low, high int64) (int64, bool) {
	switch {
	case n == nil || n.Kind == document.Null:
		return 0, false
	case n.Kind != document.Integer:
		d.wrongType(n, what, "an integer")
		return 0, false
	}
	v := n.Int64()
	if v < low || v > high {
		d.errorf(CodeValue, n.At, "", "%s is %s, and must be between %d and %d", what, n.Text, low, high)
		return 0, false
	}
	return v, true
}

func (d *decoder) boolean(n *document.Node, what string) bool {
	switch {
	case n == nil || n.Kind == document.Null:
		return false
	case n.Kind != document.Boolean:
		d.wrongType(n, what, "true or false")
		return false
	default:
		return n.Text == "true"
	}
}

func (d *decoder) wrongType(n *document.Node, what, want string) {
	hint := ""
	if want == "a string" && n.Kind != document.List && n.Kind != document.Object {
		hint = "put it in quotes"
	}
	got := n.Kind.String()
	if n.Kind == document.Boolean {
		got += ` (YAML reads unquoted yes, no, on, off, y and n as one)`
	}
	d.errorf(CodeValue, n.At, hint, "%s must be %s, not %s", what, want, got)
}

// unknown reports a field that the API does not have. The API server would
// drop it, and with it whatever it was meant to restrict.
func (d *decoder) unknown(f *document.Field, where string, known ...string) {
	hint := "known fields: " + strings.Join(known, ", ")
	if s := Nearest(f.Key, known); s != "" {
		hint = fmt.Sprintf("did you mean %q?", s)
	}
	d.errorf(CodeUnknown, f.At, hint, "unknown field %q in %s", f.Key, where)
}

// labels reads a string map of labels and checks keys and values. What is not
// valid is kept as it is written where the decoder is lenient: no valid
// selector can ask for it.
func (d *decoder) labels(n *document.Node, what string) map[string]string {
	fields := d.fields(n, what)
	if len(fields) == 0 {
		return nil
	}
	labels := make(map[string]string, len(fields))
	for i := range fields {
		f := &fields[i]
		v, ok := d.text(&f.Value, fmt.Sprintf("the value of label %q", f.Key))
		if !d.labelKey(f.Key, f.At) || !ok || !d.labelValue(v, f.Value.At) {
			continue
		}
		labels[f.Key] = v
	}
	return labels
}

func (d *decoder) labelKey(key string, at document.Place) bool {
	if d.cache.keys[key] {
		return true
	}
	if msgs := validation.IsQualifiedName(key); len(msgs) > 0 {
		if !d.printable(key, at) {
			return false
		}
		d.mistake(CodeSelector, at, "", "%q is not a valid label key: %s", key, brief(msgs))
		return d.lenient
	}
	remember(d.cache.keys, key)
	return true
}

func (d *decoder) labelValue(value string, at document.Place) bool {
	if d.cache.values[value] {
		return true
	}
	if msgs := validation.IsValidLabelValue(value); len(msgs) > 0 {
		if !d.printable(value, at) {
			return false
		}
		d.mistake(CodeSelector, at, "", "%q is not a valid label value: %s", value, brief(msgs))
		return d.lenient
	}
	remember(d.cache.values, value)
	return true
}

// printable refuses control characters, which have no business in any text that
// ends up in rulesets and reports.
func (d *decoder) printable(s string, at document.Place) bool {
	if strings.ContainsFunc(s, unicode.IsControl) {
		d.errorf(CodeSelector, at, "", "%q is not a valid label: it has control characters", s)
		return false
	}
	return true
}

// brief joins what a validator of apimachinery says, without the examples and
// the regular expression that it adds.
func brief(msgs []string) string {
	short := make([]string, len(msgs))
	for i, m := range msgs {
		short[i], _, _ = strings.Cut(m, " (e.g.")
	}
	return strings.Join(short, "; ")
}

func remember(known map[string]bool, s string) {
	const most = 1 << 16
	if len(known) < most {
		known[s] = true
	}
}

// reportDuplicates reports keys that stand twice in one mapping.
func (d *decoder) reportDuplicates(dups []document.Duplicate, sev diag.Severity) {
	for _, dup := range dups {
		d.report(sev, CodeKeyTwice, dup.Second, "remove one of them",
			"key %q stands twice in one mapping (first at line %d); only the last one counts for Kubernetes",
			dup.Key, d.offset.Shift(dup.First).Line)
	}
}

// Nearest returns the known word closest to s if it is close enough to be
// what was meant, else "".
func Nearest(s string, known []string) string {
	const longest = 64
	best, bestDist := "", 3
	if len(s) > longest {
		return ""
	}
	for _, k := range known {
		dist := distance(strings.ToLower(s), strings.ToLower(k))
		if dist < bestDist && dist*2 < len(k) {
			best, bestDist = k, dist
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
