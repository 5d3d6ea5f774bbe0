package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// jsonParser reads JSON into nodes that know their positions, which
// encoding/json cannot give. It accepts exactly RFC 8259.
type jsonParser struct {
	Tree
	src       []byte
	off       int
	line      int // lines before off
	lineStart int // offset at which off's line begins
	nodes     int
	names     Interner
}

// parseJSON parses one value; only white space may follow it.
func parseJSON(src []byte, names Interner) (*Tree, *Error) {
	p := &jsonParser{src: src, names: names}
	root, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.off < len(p.src) {
		return nil, p.fail("unexpected %q after the end of the JSON value", p.src[p.off])
	}
	p.Root = root
	return &p.Tree, nil
}

func (p *jsonParser) here() Place {
	return Place{int32(p.line + 1), int32(p.off - p.lineStart + 1)}
}

func (p *jsonParser) fail(format string, args ...any) *Error {
	return &Error{At: p.here(), Msg: "invalid JSON: " + fmt.Sprintf(format, args...)}
}

func (p *jsonParser) space() {
	for ; p.off < len(p.src); p.off++ {
		switch p.src[p.off] {
		case ' ', '\t', '\r':
		case '\n':
			p.line++
			p.lineStart = p.off + 1
		default:
			return
		}
	}
}

func (p *jsonParser) value(depth int) (Node, *Error) {
	p.space()
	if p.off >= len(p.src) {
		return Node{}, p.fail("the text ends where a value should be")
	}
	if depth > maxDepth {
		return Node{}, tooDeep(p.here())
	}
	if p.nodes++; p.nodes > maxNodes {
		return Node{}, tooMany(p.here())
	}
	at := p.here()
	switch c := p.src[p.off]; {
	case c == '{':
		return p.object(at, depth)
	case c == '[':
		return p.list(at, depth)
	case c == '"':
		s, err := p.string()
		return Node{Kind: Text, At: at, Text: s}, err
	case c == '-' || '0' <= c && c <= '9':
		return p.number(at)
	case bytes.HasPrefix(p.src[p.off:], []byte("true")):
		p.off += 4
		return Node{Kind: Boolean, At: at, Text: "true"}, nil
	case bytes.HasPrefix(p.src[p.off:], []byte("false")):
		p.off += 5
		return Node{Kind: Boolean, At: at, Text: "false"}, nil
	case bytes.HasPrefix(p.src[p.off:], []byte("null")):
		p.off += 4
		return Node{At: at}, nil
	default:
		return Node{}, p.fail("unexpected %q where a value should be", c)
	}
}

func (p *jsonParser) object(at Place, depth int) (Node, *Error) {
	n := Node{Kind: Object, At: at}
	var index map[string]int
	p.off++
	for p.space(); p.next() != '}'; p.space() {
		if len(n.Children) > 0 {
			if p.next() != ',' {
				return n, p.fail("a comma or } should stand here")
			}
			p.off++
			p.space()
		}
		f := Field{At: p.here()}
		if p.next() != '"' {
			return n, p.fail("a quoted key should stand here")
		}
		var err *Error
		if f.Key, err = p.string(); err != nil {
			return n, err
		}
		p.space()
		if p.next() != ':' {
			return n, p.fail("a colon should stand here")
		}
		p.off++
		if f.Value, err = p.value(depth + 1); err != nil {
			return n, err
		}
		n.Children, index = p.add(n.Children, index, f)
	}
	p.off++
	return n, nil
}

func (p *jsonParser) list(at Place, depth int) (Node, *Error) {
	n := Node{Kind: List, At: at}
	p.off++
	for p.space(); p.next() != ']'; p.space() {
		if len(n.Children) > 0 {
			if p.next() != ',' {
				return n, p.fail("a comma or ] should stand here")
			}
			p.off++
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.Children = append(n.Children, Field{At: v.At, Value: v})
	}
	p.off++
	return n, nil
}

// next returns the byte at off, or 0 at the end.
func (p *jsonParser) next() byte {
	if p.off < len(p.src) {
		return p.src[p.off]
	}
	return 0
}

// string reads a quoted string; off is at its opening quote.
func (p *jsonParser) string() (string, *Error) {
	start := p.off
	plain := true
	for i := start + 1; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == '"':
			p.off = i + 1
			if plain {
				return p.names.Of(p.src[start+1 : i]), nil
			}
			var s string
			if err := json.Unmarshal(p.src[start:i+1], &s); err != nil {
				p.off = start
				return "", p.fail("the string has an invalid escape")
			}
			return s, nil
		case c == '\\':
			plain = false
			i++
		case c < 0x20:
			p.off = i
			return "", p.fail("a control character must be escaped inside a string")
		}
	}
	return "", p.fail("the string is not closed")
}

func (p *jsonParser) number(at Place) (Node, *Error) {
	start := p.off
	for p.off < len(p.src) && bytes.IndexByte([]byte("+-.0123456789eE"), p.src[p.off]) >= 0 {
		p.off++
	}
	lit := p.src[start:p.off]
	if !json.Valid(lit) {
		p.off = start
		return Node{}, p.fail("%q is not a number", lit)
	}
	if v, err := strconv.ParseInt(string(lit), 10, 64); err == nil {
		return Node{Kind: Integer, At: at, Text: strconv.FormatInt(v, 10)}, nil
	}
	return Node{Kind: Float, At: at, Text: string(lit)}, nil
}

func tooDeep(at Place) *Error {
	return &Error{
		At: at, Limit: true,
		Msg:  fmt.Sprintf("values are nested more than %d levels deep", maxDepth),
		Hint: "no Kubernetes object is nested this deeply; check how the file was made",
	}
}

func tooMany(at Place) *Error {
	return &Error{
		At: at, Limit: true, Size: true,
		Msg:  fmt.Sprintf("the document has more than %d values", maxNodes),
		Hint: "no Kubernetes object is this large; split the document",
	}
}
