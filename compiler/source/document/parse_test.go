package document

import (
	"fmt"
	"strings"
	"testing"
)

func parseAll(src string) ([]*Tree, *Error) {
	var trees []*Tree
	for _, c := range Split([]byte(src), func(*Node) bool { return false }, Interner{}) {
		t, err := c.Parse(Interner{})
		trees = append(trees, t...)
		if err != nil {
			err.At = c.At.Shift(err.At)
			return trees, err
		}
	}
	return trees, nil
}

// TestErrorLines makes sure that what does not parse is reported where it is,
// or where the construct that it is in starts. The YAML library counts lines
// from 0 in some of its errors, from 1 in others, and names none on the first.
func TestErrorLines(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int32
	}{
		{"flow mapping not closed", "a: 1\nb: 2\nc: {d: e\nf: g\n", 3},
		{"flow mapping not closed, at the end", "a: 1\nb: 2\nc: {d: e,\n", 3},
		{"flow sequence not closed", "a: 1\nb: 2\nc: [d, e\nf: g\n", 3},
		{"on the first line", "c: {d: e", 1},
		{"on the second", "a: 1\nc: {d: e", 2},
		{"one closing bracket too many", "a: 1\nb: 2\nc: ]\n", 3},
		{"mapping inside a scalar", "a: 1\nb: 2\nc: d: e\n", 3},
		{"no colon", "a: 1\nb: 2\nc\nd: e\n", 3},
		{"item among keys, of the mapping", "x:\n  a: 1\n  - b\n", 2},
		{"key among items", "x:\n  y:\n  - b\n  c: d\n  e\n", 5},
		{"indented too little", "x:\n    a: 1\n  b: 2\n", 3},
		{"tab after a scalar, of the scalar", "a:\n  b: 1\n\tc: 2\n", 2},
		{"quote not closed", "a: 1\nb: 2\nc: \"d\ne: f\n", 3},
		{"escape", "a: 1\nb: 2\nc: \"\\q\"\n", 3},
		{"unknown anchor", "a: 1\nb: 2\nc: *d\n", 3},
		{"tag handle", "a: 1\nb: 2\nc: !x!y z\n", 3},
		{"version", "# a\n%YAML 2.0\n---\na: 1\n", 2},
		{"directive twice", "# a\n%YAML 1.1\n%YAML 1.1\n---\na: 1\n", 3},
		{"reserved character", "a: 1\nb: 2\nc: @d\n", 3},
		{"second document", "a: 1\n---\nb: 2\nc: {d: e\n", 4},
		{"JSON", "{\"a\": 1,\n\"b\": 2,\n\"c\": 1 \"d\": 2}\n", 3},
		{"JSON not closed", "{\"a\": 1,\n\"b\": [2,\n3\n}\n", 4},
	} {
		_, err := parseAll(c.text)
		switch {
		case err == nil:
			t.Errorf("%s: no error", c.name)
		case err.At.Line != c.line:
			t.Errorf("%s: line %d instead of %d: %s", c.name, err.At.Line, c.line, err.Msg)
		}
	}
}

// TestPositions parses one value spelled in several ways and checks where its
// parts are said to be.
func TestPositions(t *testing.T) {
	for _, text := range []string{
		"a: 1\nb:\n  c: [x, {d: 2}]\n",
		"# é\n---\na: 1\nb:\n    c:\n    - x\n    - d: 2\n",
		"{\"a\": 1, \"b\":\n  {\"c\": [\"x\", {\"d\": 2}]}}",
		"é: ü\na: 1\n'b': {c: [x, d: 2]}\n",
		"\"é\": {é: 1}\n\"a\": 1\n\"b\": {\"c\": [é, {ü: 1, \"d\": 2}]}\n",
	} {
		trees, err := parseAll(text)
		if err != nil || len(trees) != 1 {
			t.Fatalf("%q: %d trees, %v", text, len(trees), err)
		}
		lines := strings.Split(text, "\n")
		var walk func(n *Node)
		walk = func(n *Node) {
			for i := range n.Children {
				f := &n.Children[i]
				if f.Key != "" {
					if rest := lines[f.At.Line-1][f.At.Col-1:]; !strings.HasPrefix(strings.TrimLeft(rest, `"'`), f.Key) {
						t.Errorf("%q: key %s at %v, where %q is", text, f.Key, f.At, rest)
					}
				}
				if v := &f.Value; v.Kind == Text || v.Kind == Integer {
					if rest := lines[v.At.Line-1][v.At.Col-1:]; !strings.HasPrefix(strings.TrimLeft(rest, `"'`), v.Text) {
						t.Errorf("%q: %s at %v, where %q is", text, v.Text, v.At, rest)
					}
				}
				walk(&f.Value)
			}
		}
		walk(&trees[0].Root)
	}
}

// TestOneLineList cuts a list of ten thousand items that stands on one line,
// and checks that every item is where it says.
func TestOneLineList(t *testing.T) {
	const n = 10_000
	var b strings.Builder
	b.WriteString(`{"apiVersion":"v1","kind":"List","items":[`)
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `{"kind":"Pod","metadata":{"name":"pod-%d"}}`, i)
	}
	b.WriteString("]}\n")
	src := b.String()
	items := 0
	for _, c := range Split([]byte(src), func(n *Node) bool { return n.TextOf("kind") == "List" }, Interner{}) {
		trees, err := c.Parse(Interner{})
		if err != nil || len(trees) != 1 {
			t.Fatal(err)
		}
		if c.List == nil {
			continue
		}
		name := trees[0].Root.Get("metadata").Get("name")
		at := c.At.Shift(name.At)
		if want := fmt.Sprintf(`"pod-%d"`, items); at.Line != 1 || !strings.HasPrefix(src[at.Col-1:], want) {
			t.Fatalf("%s is said to be at %v, where %.20q is", want, at, src[at.Col-1:])
		}
		items++
	}
	if items != n {
		t.Errorf("%d items", items)
	}
}
