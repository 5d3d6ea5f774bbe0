package document

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

// Place is a position in a file; both numbers are 1-based, Col counts bytes.
type Place struct{ Line, Col int32 }

// Before reports whether p stands before q.
func (p Place) Before(q Place) bool {
	return p.Line < q.Line || p.Line == q.Line && p.Col < q.Col
}

// Kind is the JSON type of a node. YAML scalars have been resolved to one.
type Kind uint8

// The kinds. The zero value is a value that is absent or null.
const (
	Null Kind = iota
	Boolean
	Integer
	Float
	Text
	List
	Object
)

func (k Kind) String() string {
	return [...]string{"null", "a boolean", "an integer", "a number with a fraction or out of range", "a string", "a list", "a mapping"}[k]
}

// Node is one value of a document.
type Node struct {
	Kind     Kind
	At       Place
	Text     string  // of scalars; decimal for an integer
	Children []Field // of lists (key empty) and objects
}

// Field is a member of an object, or an item of a list.
type Field struct {
	Key   string
	At    Place // of the key; that of the value in lists
	Value Node
}

// Get returns the value of a key, or nil. A duplicated key has been dropped
// by then: the last one counts, as for kubectl.
func (n *Node) Get(key string) *Node {
	if n == nil || n.Kind != Object {
		return nil
	}
	for i := range n.Children {
		if n.Children[i].Key == key {
			return &n.Children[i].Value
		}
	}
	return nil
}

// TextOf returns the text of a string member, or "".
func (n *Node) TextOf(key string) string {
	if v := n.Get(key); v != nil && v.Kind == Text {
		return v.Text
	}
	return ""
}

// PlainText returns the text of a string node, or "".
func (n *Node) PlainText() string {
	if n != nil && n.Kind == Text {
		return n.Text
	}
	return ""
}

// Tree is what parsing one document gives.
type Tree struct {
	Root       Node
	Duplicates []Duplicate
}

// Duplicate is a key that stands twice in one mapping.
type Duplicate struct {
	Key           string
	First, Second Place
}

// add appends a member, or replaces the earlier one of the same key and
// remembers that there were two. index speeds up objects with many keys; it
// is nil until there are enough of them.
func (t *Tree) add(fields []Field, index map[string]int, f Field) ([]Field, map[string]int) {
	const indexFrom = 24
	at := -1
	if index != nil {
		if i, ok := index[f.Key]; ok {
			at = i
		}
	} else {
		for i := range fields {
			if fields[i].Key == f.Key {
				at = i
				break
			}
		}
	}
	if at >= 0 {
		if len(t.Duplicates) < maxDuplicates {
			t.Duplicates = append(t.Duplicates, Duplicate{f.Key, fields[at].At, f.At})
		}
		fields[at] = f
		return fields, index
	}
	fields = append(fields, f)
	if index != nil {
		index[f.Key] = len(fields) - 1
	} else if len(fields) == indexFrom {
		index = make(map[string]int, 2*indexFrom)
		for i := range fields {
			index[fields[i].Key] = i
		}
	}
	return fields, index
}

// Interner hands out one string for equal byte slices, so that ten thousand
// pods share the text of their labels.
type Interner map[string]string

// Of returns b as a string, the same one as before if it can.
func (in Interner) Of(b []byte) string {
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

// Int64 returns the value of an integer node; what is beyond int64 is its
// largest value.
func (n *Node) Int64() int64 {
	v, err := strconv.ParseInt(n.Text, 10, 64)
	if err != nil {
		return math.MaxInt64 // beyond int64 and so beyond every range asked for
	}
	return v
}

// Offset is the position of a piece of text in its file.
type Offset struct {
	Line int // lines before the text
	Col  int // bytes before the text in its first line
}

// Shift turns a place in the text into one in the file.
func (o Offset) Shift(p Place) Place {
	if p.Line == 1 {
		p.Col += int32(o.Col)
	}
	p.Line += int32(o.Line)
	return p
}

// Error says where and why text does not parse.
type Error struct {
	At   Place
	Msg  string
	Hint string
	// limit is set when trying another syntax is pointless.
	Limit bool
	// size is set when the document is too large to be looked into.
	Size bool
}

func (e *Error) Error() string { return e.Msg }
