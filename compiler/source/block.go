package source

import "bytes"

// blockParser reads the plain part of YAML that machines write and most
// people too: block mappings and sequences, scalars of one line, literal
// blocks, and flow collections that fit on a line. It is several times as
// fast as the library, and it gives up on everything else (anchors, tags,
// scalars over several lines, escapes, tabs, text beyond ASCII, and all that
// is wrong), for the library to read. What it does read, it reads as the
// library does, positions included; FuzzBlock compares them.
type blockParser struct {
	tree
	src   []byte
	names interner
	nodes int
	next  int // offset of the line after the current one
	line  int // number of the current line, 0-based

	// The rest of the current line that is yet to be read. A mapping or
	// sequence that starts behind a dash counts as indented to where it
	// starts.
	start, end int // offsets; start == end at the end of the text
	indent     int
	lineStart  int
}

// parseBlock returns false when it gives up.
func parseBlock(src []byte, names interner) (*tree, bool) {
	for i, c := range src {
		lineEnd := c == '\n' || c == '\r' && i+1 < len(src) && src[i+1] == '\n'
		if !lineEnd && (c < ' ' || c > '~') {
			return nil, false
		}
	}
	p := &blockParser{src: src, names: names, line: -1}
	p.advance()
	if p.indent == 0 && string(p.rest()) == "---" {
		p.advance()
	}
	if p.atEnd() || p.indent != 0 {
		return nil, false
	}
	root, ok := p.block(0, 0)
	if !ok || !p.atEnd() {
		return nil, false
	}
	p.root = root
	return &p.tree, true
}

func (p *blockParser) atEnd() bool { return p.start >= p.end }

func (p *blockParser) rest() []byte { return p.src[p.start:p.end] }

func (p *blockParser) here() place {
	return place{int32(p.line + 1), int32(p.start - p.lineStart + 1)}
}

// advance moves to the next line that is not blank and not a comment.
func (p *blockParser) advance() {
	for p.next < len(p.src) {
		p.line++
		p.lineStart = p.next
		end := len(p.src)
		if i := bytes.IndexByte(p.src[p.next:], '\n'); i >= 0 {
			end = p.next + i
			p.next = end + 1
		} else {
			p.next = end
		}
		if end > p.lineStart && p.src[end-1] == '\r' {
			end--
		}
		start := p.lineStart
		for start < end && p.src[start] == ' ' {
			start++
		}
		if start < end && p.src[start] != '#' {
			for p.src[end-1] == ' ' {
				end--
			}
			p.start, p.end, p.indent = start, end, start-p.lineStart
			return
		}
	}
	p.start, p.end, p.indent = len(p.src), len(p.src), -1
}

func dashed(b []byte) bool { return b[0] == '-' && (len(b) == 1 || b[1] == ' ') }

// block reads the mapping or sequence that is indented by n.
func (p *blockParser) block(n, depth int) (node, bool) {
	if depth > maxDepth {
		return node{}, false
	}
	if dashed(p.rest()) {
		return p.sequence(n, depth)
	}
	return p.mapping(n, depth)
}

func (p *blockParser) count() bool {
	p.nodes++
	return p.nodes <= maxNodes
}

func (p *blockParser) sequence(n, depth int) (node, bool) {
	out := node{kind: list, at: p.here()}
	for p.indent == n && !p.atEnd() && dashed(p.rest()) {
		p.start++
		empty := p.here()
		for p.start < p.end && p.src[p.start] == ' ' {
			p.start++
		}
		var v node
		ok := true
		switch {
		case p.start == p.end || p.src[p.start] == '#':
			p.advance()
			if p.indent > n {
				v, ok = p.block(p.indent, depth+1)
			} else {
				v.at = empty
			}
		case dashed(p.rest()) || p.hasKey():
			p.indent = p.start - p.lineStart
			v, ok = p.block(p.indent, depth+1)
		default:
			v, ok = p.value(n, depth+1)
		}
		if !ok || p.indent > n || !p.count() {
			return out, false
		}
		out.children = append(out.children, field{at: v.at, value: v})
	}
	return out, true
}

func (p *blockParser) mapping(n, depth int) (node, bool) {
	out := node{kind: object, at: p.here()}
	var index map[string]int
	for p.indent == n && !p.atEnd() {
		f := field{at: p.here()}
		var ok bool
		if f.key, ok = p.key(); !ok {
			return out, false
		}
		empty := p.here()
		for p.start < p.end && p.src[p.start] == ' ' {
			p.start++
		}
		if p.start == p.end || p.src[p.start] == '#' {
			p.advance()
			switch {
			case p.atEnd():
				f.value.at = empty
			case p.indent > n:
				f.value, ok = p.block(p.indent, depth+1)
			case p.indent == n && dashed(p.rest()):
				f.value, ok = p.sequence(n, depth+1)
			default:
				f.value.at = empty
			}
		} else {
			f.value, ok = p.value(n, depth+1)
		}
		if !ok || p.indent > n || !p.count() {
			return out, false
		}
		out.children, index = p.add(out.children, index, f)
	}
	return out, true
}

// hasKey reports whether the rest of the line looks like a key with a value.
// key gives up where it is something else after all.
func (p *blockParser) hasKey() bool {
	rest := p.rest()
	if rest[0] == '"' || rest[0] == '\'' {
		i := bytes.IndexByte(rest[1:], rest[0])
		return i >= 0 && len(rest) > i+2 && rest[i+2] == ':'
	}
	if rest[0] == '{' || rest[0] == '[' {
		return false
	}
	return bytes.Contains(rest, []byte(": ")) || rest[len(rest)-1] == ':'
}

// plainKey tells which bytes a key without quotes may have here.
var plainKey = func() (ok [256]bool) {
	for c := byte('!'); c <= '~'; c++ {
		ok[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("_./-:"), c) >= 0
	}
	return ok
}()

// key reads a key and its colon.
func (p *blockParser) key() (string, bool) {
	const longest = 1000 // the library ends keys at 1024
	rest := p.rest()
	if rest[0] == '"' || rest[0] == '\'' {
		s, n, ok := quotedText(rest)
		if !ok || n > longest || n >= len(rest) || rest[n] != ':' || n+1 < len(rest) && rest[n+1] != ' ' {
			return "", false
		}
		p.start += n + 1
		return p.names.of(s), true
	}
	if rest[0] == '-' || rest[0] == ':' {
		return "", false
	}
	for i, c := range rest {
		if c == ':' && (i+1 == len(rest) || rest[i+1] == ' ') {
			if i > longest {
				return "", false
			}
			p.start += i + 1
			return p.keyText(rest[:i])
		}
		if !plainKey[c] {
			return "", false
		}
	}
	return "", false
}

// keyText resolves a key as JSON would have it.
func (p *blockParser) keyText(b []byte) (string, bool) {
	s := p.names.of(b)
	k, resolved := resolvePlain(s)
	return resolved, k != null
}

// quotedText returns what stands in quotes at the start of b, and the length
// with them. It gives up on escapes.
func quotedText(b []byte) (s []byte, n int, ok bool) {
	i := bytes.IndexByte(b[1:], b[0])
	if i < 0 {
		return nil, 0, false
	}
	s, n = b[1:i+1], i+2
	if n < len(b) && b[n] == b[0] || b[0] == '"' && bytes.IndexByte(s, '\\') >= 0 {
		return nil, 0, false
	}
	return s, n, true
}

// value reads the value that starts on the rest of the line, in a collection
// that is indented by n, and moves to the next line.
func (p *blockParser) value(n, depth int) (node, bool) {
	if depth > maxDepth {
		return node{}, false
	}
	switch c := p.src[p.start]; c {
	case '|':
		return p.literal(n)
	case '{', '[':
		v, ok := p.flow(depth)
		return v, ok && p.lineEnds()
	case '"', '\'':
		v := node{kind: text, at: p.here()}
		s, size, ok := quotedText(p.rest())
		if !ok {
			return v, false
		}
		v.text = p.names.of(s)
		p.start += size
		return v, p.lineEnds()
	case '&', '*', '!', '%', '@', '`', '?', ':', ',', ']', '}', '>', '#':
		return node{}, false
	}
	rest := p.rest()
	if i := bytes.Index(rest, []byte(" #")); i >= 0 {
		rest = bytes.TrimRight(rest[:i], " ")
	}
	if dashed(rest) || rest[len(rest)-1] == ':' || bytes.Contains(rest, []byte(": ")) {
		return node{}, false
	}
	v := p.plain(rest)
	p.advance()
	return v, true
}

func (p *blockParser) plain(b []byte) node {
	v := node{at: p.here()}
	v.kind, v.text = resolvePlain(p.names.of(b))
	return v
}

// lineEnds moves to the next line if nothing but a comment is left.
func (p *blockParser) lineEnds() bool {
	rest := p.rest()
	trimmed := bytes.TrimLeft(rest, " ")
	if len(trimmed) > 0 && (trimmed[0] != '#' || len(trimmed) == len(rest)) {
		return false
	}
	p.advance()
	return true
}

// literal reads a block scalar that keeps its line breaks.
func (p *blockParser) literal(n int) (node, bool) {
	v := node{kind: text, at: p.here()}
	strip := string(p.rest()) == "|-"
	if !strip && string(p.rest()) != "|" {
		return v, false
	}
	var out []byte
	indent, blanks := -1, 0
	for p.next < len(p.src) {
		line := p.src[p.next:]
		size := len(line)
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line, size = line[:i], i+1
		} else {
			return v, false // without a last line break there is none to keep
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		content := bytes.TrimLeft(line, " ")
		depth := len(line) - len(content)
		if len(content) == 0 {
			if indent < 0 || depth > indent {
				return v, false
			}
			blanks++
		} else {
			if depth <= n {
				break
			}
			if indent < 0 {
				indent = depth
			}
			if depth < indent {
				return v, false
			}
			for ; blanks > 0; blanks-- {
				out = append(out, '\n')
			}
			out = append(append(out, line[indent:]...), '\n')
		}
		p.next += size
		p.line++
	}
	if strip {
		out = bytes.TrimSuffix(out, []byte("\n"))
	}
	v.text = p.names.of(out)
	p.advance()
	return v, true
}
