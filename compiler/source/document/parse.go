package document

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Parse parses the chunk. What could be read before the failure is returned
// with it.
func (c Chunk) Parse(names Interner) ([]*Tree, *Error) {
	if failure := c.check(); failure != nil {
		return nil, failure
	}
	trees, failure := c.parseText(names)
	if !c.sequence {
		return trees, failure
	}
	if failure == nil && (len(trees) != 1 || trees[0].Root.Kind != List || len(trees[0].Root.Children) != 1) {
		failure = &Error{At: Place{1, 1}, Msg: "invalid YAML: the list is not laid out as it seems"}
	}
	if failure != nil {
		return nil, failure
	}
	trees[0].Root = trees[0].Root.Children[0].Value
	return trees, nil
}

// parseText parses as JSON what looks like it, and as YAML all else.
func (c Chunk) parseText(names Interner) ([]*Tree, *Error) {
	text := bytes.TrimLeft(c.Text, " \t\r\n")
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return parseYAML(c.Text, names)
	}
	t, failure := parseJSON(c.Text, names)
	if failure == nil {
		return []*Tree{t}, nil
	}
	if failure.Limit {
		return nil, failure
	}
	trees, yamlFailure := parseYAML(c.Text, names)
	if yamlFailure != nil && jsonish(text) {
		return trees, failure
	}
	return trees, yamlFailure
}

// check refuses what no parser should be given.
func (c Chunk) check() *Error {
	if len(c.Text) > maxDocumentSize {
		return &Error{
			At: Place{1, 1}, Limit: true, Size: true,
			Msg:  fmt.Sprintf("the document is larger than %d MiB", maxDocumentSize>>20),
			Hint: "the API server takes no object this large; write a long list in block style, one item under the other",
		}
	}
	if i := bytes.IndexByte(c.Text, 0); i >= 0 {
		return &Error{
			At: placeOf(c.Text, i), Limit: true,
			Msg:  "the document contains a NUL byte",
			Hint: "save it as UTF-8 text",
		}
	}
	if !utf8.Valid(c.Text) {
		i := 0
		for i < len(c.Text) {
			r, n := utf8.DecodeRune(c.Text[i:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			i += n
		}
		return &Error{
			At: placeOf(c.Text, i), Limit: true,
			Msg:  "the document is not valid UTF-8",
			Hint: "save it as UTF-8 text",
		}
	}
	return nil
}

// placeOf returns the place of a byte offset.
func placeOf(src []byte, off int) Place {
	before := src[:off]
	return Place{
		int32(bytes.Count(before, []byte("\n")) + 1),
		int32(off - bytes.LastIndexByte(before, '\n')),
	}
}
