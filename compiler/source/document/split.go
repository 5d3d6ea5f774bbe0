package document

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// Chunk is a piece of a file that is parsed on its own: a document, or one
// item of a list that was cut up. Cutting before parsing lets documents be
// parsed in parallel and keeps one broken document from hiding the others.
type Chunk struct {
	Text []byte
	At   Offset
	// list is the list that the chunk is an item of, without its items; nil
	// for a whole document. The items of a bare JSON array have a null list.
	List     *Node
	sequence bool // the text is a YAML sequence of one item, which is meant
}

// splitter cuts one file.
type splitter struct {
	isList func(*Node) bool
	names  Interner
}

// Split cuts a file into chunks, in order. Large lists are cut at the
// items of their field "items"; isList tells from the rest whether a document
// is one.
func Split(src []byte, isList func(*Node) bool, names Interner) []Chunk {
	p := splitter{isList, names}
	src = decodeUTF16(src)
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if chunks, ok := p.json(src, Offset{}); ok {
		return chunks
	}
	var chunks []Chunk
	for _, c := range splitYAML(src) {
		if cut, ok := p.json(c.Text, c.At); ok {
			chunks = append(chunks, cut...)
		} else if cut, ok := p.yamlList(c); ok {
			chunks = append(chunks, cut...)
		} else {
			chunks = append(chunks, c)
		}
	}
	return chunks
}

// decodeUTF16 returns text with a UTF-16 byte order mark as UTF-8; YAML
// allows that encoding, and Windows tools write it.
func decodeUTF16(src []byte) []byte {
	var order binary.ByteOrder
	switch {
	case len(src) < 2 || len(src)%2 != 0:
		return src
	case src[0] == 0xff && src[1] == 0xfe:
		order = binary.LittleEndian
	case src[0] == 0xfe && src[1] == 0xff:
		order = binary.BigEndian
	default:
		return src
	}
	units := make([]uint16, 0, len(src)/2-1)
	for i := 2; i < len(src); i += 2 {
		units = append(units, order.Uint16(src[i:]))
	}
	out := make([]byte, 0, len(units))
	for _, r := range utf16.Decode(units) {
		out = utf8.AppendRune(out, r)
	}
	return out
}

// splitYAML cuts at document markers. A line that starts with "---" or "..."
// followed by white space is one wherever it stands: YAML allows neither
// inside any scalar at the start of a line.
func splitYAML(src []byte) []Chunk {
	var chunks []Chunk
	start, startLine := 0, 0
	open := false // something other than comments and directives since start
	cut := func(end, line int) {
		if text := src[start:end]; !onlyComments(text) {
			chunks = append(chunks, Chunk{Text: text, At: Offset{Line: startLine}})
		}
		start, startLine, open = end, line, false
	}
	line := 0
	for off := 0; off < len(src); line++ {
		next := len(src)
		if i := bytes.IndexByte(src[off:], '\n'); i >= 0 {
			next = off + i + 1
		}
		switch text := src[off:next]; {
		case marker(text, "---"):
			// Directives belong to the document that the marker starts.
			if open {
				cut(off, line)
			}
			open = true
		case marker(text, "..."):
			cut(next, line+1)
		case !open && text[0] != '#' && text[0] != '%' && len(bytes.TrimSpace(text)) > 0:
			open = true
		}
		off = next
	}
	cut(len(src), line)
	return chunks
}

func marker(line []byte, mark string) bool {
	if !bytes.HasPrefix(line, []byte(mark)) {
		return false
	}
	rest := line[len(mark):]
	return len(rest) == 0 || rest[0] == '\n' || rest[0] == '\r' || rest[0] == ' ' || rest[0] == '\t'
}

// onlyComments reports whether text has nothing but comments, blank lines and
// document markers, as many templates render to.
func onlyComments(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && string(line) != "---" && string(line) != "..." {
			return false
		}
	}
	return true
}

// yamlList cuts a large document of some List kind, written in the block
// style that kubectl writes, at the items of its top-level "items" key. It
// reports false when the document is something else; then it is parsed whole.
func (p *splitter) yamlList(doc Chunk) ([]Chunk, bool) {
	const worthwhile = 256 << 10
	if len(doc.Text) < worthwhile {
		return nil, false
	}
	// An alias may refer to another item. Where the whole can be parsed it is;
	// beyond that size an item with such an alias is refused.
	if len(doc.Text) <= maxDocumentSize && (bytes.Contains(doc.Text, []byte(": *")) || bytes.Contains(doc.Text, []byte("- *"))) {
		return nil, false
	}
	items, ok := blockItems(doc.Text)
	if !ok {
		return nil, false
	}
	// What is left without the items tells what kind of list it is. Its lines
	// keep their numbers.
	header := bytes.Clone(doc.Text[:items.colon+1])
	header = append(header, " []"...)
	header = append(header, bytes.Repeat([]byte("\n"), items.endLine-items.keyLine)...)
	header = append(header, doc.Text[items.end:]...)
	if len(header) > maxDocumentSize {
		return nil, false
	}
	trees, err := parseYAML(header, p.names)
	if err != nil || len(trees) != 1 {
		return nil, false
	}
	root := &trees[0].Root
	// The key must have been read as one, not as text inside some scalar.
	at := root.Get("items")
	if !p.isList(root) || at == nil || at.Kind != List || int(at.At.Line) != items.keyLine+1 {
		return nil, false
	}
	chunks := []Chunk{{Text: header, At: doc.At}}
	for i, start := range items.starts {
		end := items.end
		if i+1 < len(items.starts) {
			end = items.starts[i+1].off
		}
		chunks = append(chunks, Chunk{
			Text:     doc.Text[start.off:end],
			At:       Offset{Line: doc.At.Line + start.line},
			List:     root,
			sequence: true,
		})
	}
	return chunks, true
}

// itemsBlock is where the items of a list stand in its text.
type itemsBlock struct {
	colon   int // offset of the colon of "items:"
	keyLine int // line of the key, 0-based
	starts  []lineStart
	end     int // offset of the first line after the items
	endLine int
}

type lineStart struct{ off, line int }

func blockItems(src []byte) (itemsBlock, bool) {
	b := itemsBlock{end: len(src)}
	found := false
	indent := -1
	line := 0
	for off := 0; off < len(src); line++ {
		next := len(src)
		if i := bytes.IndexByte(src[off:], '\n'); i >= 0 {
			next = off + i + 1
		}
		text := bytes.TrimRight(src[off:next], " \t\r\n")
		content := bytes.TrimLeft(text, " ")
		depth := len(text) - len(content)
		switch {
		case !found:
			if string(text) == "items:" {
				found = true
				b.colon, b.keyLine = off+len("items"), line
			}
		case len(content) == 0 || content[0] == '#':
		case string(content) == "-" || bytes.HasPrefix(content, []byte("- ")):
			if indent < 0 {
				indent = depth
			}
			if depth == indent {
				b.starts = append(b.starts, lineStart{off, line})
			} else if depth < indent {
				return b, false
			}
		case indent < 0:
			return b, false
		case depth <= indent:
			b.end, b.endLine = off, line
			return b, depth == 0
		}
		off = next
	}
	b.endLine = line
	return b, len(b.starts) > 0
}
