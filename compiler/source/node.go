package source

import (
	"math"
	"strconv"
)

// Limits on one document. The API server takes no request above 3 MiB, so
// that nothing a cluster can hold comes near them, and they bound what a
// hostile document can cost.
const (
	maxDocumentSize = 4 << 20
	maxDepth        = 200
	maxNodes        = 1 << 18
	maxAliasNodes   = 100_000
	maxDuplicates   = 50
)

// place is a position in a file; both numbers are 1-based, Col counts bytes.
type place struct{ line, col int32 }

// kind is the JSON type of a node. YAML scalars have been resolved to one.
type kind uint8

const (
	null kind = iota
	boolean
	integer
	float
	text
	list
	object
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "an integer", "a number with a fraction or out of range", "a string", "a list", "a mapping"}[k]
}

// node is one value of a document.
type node struct {
	kind     kind
	at       place
	text     string  // of scalars; decimal for an integer
	children []field // of lists (key empty) and objects
}

// field is a member of an object, or an item of a list.
type field struct {
	key   string
	at    place // of the key; that of the value in lists
	value node
}

// get returns the value of a key, or nil. A duplicated key has been dropped
// by then: the last one counts, as for kubectl.
func (n *node) get(key string) *node {
	if n == nil || n.kind != object {
		return nil
	}
	for i := range n.children {
		if n.children[i].key == key {
			return &n.children[i].value
		}
	}
	return nil
}

// string returns the text of a string member, or "".
func (n *node) string(key string) string {
	if v := n.get(key); v != nil && v.kind == text {
		return v.text
	}
	return ""
}

// tree is what parsing one document gives.
type tree struct {
	root       node
	duplicates []duplicate
}

// duplicate is a key that stands twice in one mapping.
type duplicate struct {
	key           string
	first, second place
}

// add appends a member, or replaces the earlier one of the same key and
// remembers that there were two. index speeds up objects with many keys; it
// is nil until there are enough of them.
func (t *tree) add(fields []field, index map[string]int, f field) ([]field, map[string]int) {
	const indexFrom = 24
	at := -1
	if index != nil {
		if i, ok := index[f.key]; ok {
			at = i
		}
	} else {
		for i := range fields {
			if fields[i].key == f.key {
				at = i
				break
			}
		}
	}
	if at >= 0 {
		if len(t.duplicates) < maxDuplicates {
			t.duplicates = append(t.duplicates, duplicate{f.key, fields[at].at, f.at})
		}
		fields[at] = f
		return fields, index
	}
	fields = append(fields, f)
	if index != nil {
		index[f.key] = len(fields) - 1
	} else if len(fields) == indexFrom {
		index = make(map[string]int, 2*indexFrom)
		for i := range fields {
			index[fields[i].key] = i
		}
	}
	return fields, index
}

// interner hands out one string for equal byte slices, so that ten thousand
// pods share the text of their labels.
type interner map[string]string

func (in interner) of(b []byte) string {
	const longest, most = 80, 1 << 16
	if len(b) > longest {
		return string(b)
	}
	if s, ok := in[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(in) < most {
		in[s] = s
	}
	return s
}

// int64Of returns the value of an integer node.
func (n *node) int64Of() int64 {
	v, err := strconv.ParseInt(n.text, 10, 64)
	if err != nil {
		return math.MaxInt64 // beyond int64 and so beyond every range asked for
	}
	return v
}

// offset is the position of a piece of text in its file.
type offset struct {
	line int // lines before the text
	col  int // bytes before the text in its first line
}

// shift turns a place in the text into one in the file.
func (o offset) shift(p place) place {
	if p.line == 1 {
		p.col += int32(o.col)
	}
	p.line += int32(o.line)
	return p
}

// syntaxError says where and why text does not parse.
type syntaxError struct {
	at   place
	msg  string
	hint string
	// limit is set when trying another syntax is pointless.
	limit bool
	// size is set when the document is too large to be looked into.
	size bool
}

func (e *syntaxError) Error() string { return e.msg }
