package document

import "bytes"

// json cuts concatenated JSON values, and the elements of a top-level
// array or of a List's items, into chunks. It only looks for where values
// end; each chunk is checked when it is parsed. It reports false when the
// text is not JSON as a whole, as with YAML in flow style.
func (p *splitter) json(src []byte, at Offset) ([]Chunk, bool) {
	s := jsonScanner{src: src, at: at}
	if s.space(); s.off >= len(src) || (src[s.off] != '{' && src[s.off] != '[') {
		return nil, false
	}
	var chunks []Chunk
	for ; s.off < len(src); s.space() {
		c, ok := s.skip()
		if !ok {
			return nil, false
		}
		chunks = append(chunks, p.cutJSON(c)...)
	}
	for _, c := range chunks {
		// Flow style YAML looks the same from afar: unquoted keys give it away.
		if c.List == nil && !jsonish(c.Text) {
			return nil, false
		}
	}
	return chunks, true
}

// jsonish reports whether the text of an object or list starts as JSON does.
func jsonish(b []byte) bool {
	rest := bytes.TrimLeft(b[1:], " \t\r\n")
	return len(rest) > 0 && (bytes.IndexByte([]byte(`"}[]{`), rest[0]) >= 0)
}

// cutJSON cuts one JSON value into its elements if it is an array or a List.
func (p *splitter) cutJSON(c Chunk) []Chunk {
	s := jsonScanner{src: c.Text, at: c.At}
	if c.Text[0] == '[' {
		if elements, ok := s.elements(); ok {
			for i := range elements {
				elements[i].List = &Node{}
			}
			return elements
		}
		return []Chunk{c}
	}
	const worthwhile = 64 << 10
	if len(c.Text) < worthwhile {
		return []Chunk{c}
	}
	elements, header, ok := s.listItems()
	if !ok || len(header) > maxDocumentSize {
		return []Chunk{c}
	}
	t, err := parseJSON(header, p.names)
	if err != nil || !p.isList(&t.Root) {
		return []Chunk{c}
	}
	for i := range elements {
		elements[i].List = &t.Root
	}
	return append([]Chunk{{Text: header, At: c.At}}, elements...)
}

// jsonScanner finds the ends of JSON values without looking into them.
type jsonScanner struct {
	src       []byte
	off       int
	line      int
	lineStart int
	at        Offset // of src in the file
}

func (s *jsonScanner) space() {
	for ; s.off < len(s.src); s.off++ {
		switch s.src[s.off] {
		case ' ', '\t', '\r':
		case '\n':
			s.line++
			s.lineStart = s.off + 1
		default:
			return
		}
	}
}

// here returns the position of off in the file.
func (s *jsonScanner) here() Offset {
	o := Offset{Line: s.at.Line + s.line, Col: s.off - s.lineStart}
	if s.line == 0 {
		o.Col += s.at.Col
	}
	return o
}

// skip moves over one value and returns it as a chunk.
func (s *jsonScanner) skip() (Chunk, bool) {
	start, at := s.off, s.here()
	depth := 0
	for s.off < len(s.src) {
		switch s.src[s.off] {
		case '{', '[':
			if depth++; depth > 2*maxDepth {
				return Chunk{}, false // parsing it says what is wrong
			}
			s.off++
		case '}', ']':
			if depth--; depth < 0 {
				return Chunk{}, false
			}
			s.off++
		case '"':
			if !s.quoted() {
				return Chunk{}, false
			}
		case '\n':
			s.line++
			s.off++
			s.lineStart = s.off
		case ',', ' ', '\t', '\r':
			if depth == 0 {
				return Chunk{}, false
			}
			s.off++
		default:
			// Part of a number or word; at the top it extends to the next delimiter.
			s.off++
			if depth == 0 && s.off < len(s.src) && bytes.IndexByte([]byte(",]} \t\r\n"), s.src[s.off]) < 0 {
				continue
			}
		}
		if depth == 0 {
			return Chunk{Text: s.src[start:s.off], At: at}, s.off > start
		}
	}
	return Chunk{}, false
}

func (s *jsonScanner) quoted() bool {
	for s.off++; s.off < len(s.src); s.off++ {
		switch s.src[s.off] {
		case '\\':
			s.off++
		case '"':
			s.off++
			return true
		case '\n':
			return false
		}
	}
	return false
}

// elements returns the elements of the array at off.
func (s *jsonScanner) elements() ([]Chunk, bool) {
	chunks := []Chunk{}
	s.off++
	for s.space(); s.off < len(s.src) && s.src[s.off] != ']'; s.space() {
		if len(chunks) > 0 {
			if s.src[s.off] != ',' {
				return nil, false
			}
			s.off++
			s.space()
		}
		c, ok := s.skip()
		if !ok {
			return nil, false
		}
		chunks = append(chunks, c)
	}
	s.off++
	return chunks, s.off <= len(s.src)
}

// listItems returns the elements of the "items" array of the object at off,
// and the object with that array emptied. Line numbers stay what they are; the
// columns of what follows on the line where the array ends do not.
func (s *jsonScanner) listItems() (elements []Chunk, header []byte, ok bool) {
	s.off++
	for first := true; ; first = false {
		if s.space(); s.off >= len(s.src) || s.src[s.off] == '}' {
			return elements, header, elements != nil
		}
		if !first {
			if s.src[s.off] != ',' {
				return nil, nil, false
			}
			s.off++
			s.space()
		}
		key, keyOK := s.skip()
		if s.space(); !keyOK || s.off >= len(s.src) || s.src[s.off] != ':' {
			return nil, nil, false
		}
		s.off++
		s.space()
		if string(key.Text) != `"items"` || s.off >= len(s.src) || s.src[s.off] != '[' {
			if _, ok := s.skip(); !ok {
				return nil, nil, false
			}
			continue
		}
		if elements != nil {
			return nil, nil, false // "items" twice: parse it whole and complain
		}
		start, line := s.off, s.line
		if elements, ok = s.elements(); !ok {
			return nil, nil, false
		}
		header = append(header, s.src[:start]...)
		header = append(header, '[')
		header = append(header, bytes.Repeat([]byte("\n"), s.line-line)...)
		header = append(header, ']')
		header = append(header, s.src[s.off:]...)
	}
}
