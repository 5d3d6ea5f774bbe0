package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// yamlReader turns the nodes of the YAML library into ours: aliases expanded
// within limits, merge keys applied, scalars resolved as kubectl does.
type yamlReader struct {
	Tree
	lines   [][]byte // of the source, when columns need mapping from characters to bytes
	names   Interner
	nodes   int
	aliased int // nodes made by expanding aliases
	inAlias int // depth of aliases being expanded
}

// parseYAML parses all documents in src; usually that is one, since the text
// has been cut at document boundaries.
func parseYAML(src []byte, names Interner) (trees []*Tree, failure *Error) {
	// The library is not ours and its input may be hostile: should it panic,
	// the document is refused and all others are still read.
	defer func() {
		if r := recover(); r != nil {
			failure = &Error{At: Place{1, 1}, Msg: "invalid YAML: the document cannot be parsed"}
		}
	}()
	// The library's nodes are several times as large as ours, and it makes
	// all of them before it hands over the first.
	if separators(src) > 4*maxNodes {
		return nil, tooMany(Place{1, 1})
	}
	var lines [][]byte
	if !isASCII(src) {
		lines = bytes.Split(src, []byte("\n"))
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	for {
		var y yaml.Node
		err := dec.Decode(&y)
		if errors.Is(err, io.EOF) {
			return trees, nil
		}
		if err != nil {
			return trees, yamlFailure(src, err)
		}
		r := &yamlReader{lines: lines, names: names}
		if r.Root, failure = r.convert(&y, 0); failure != nil {
			return trees, failure
		}
		trees = append(trees, &r.Tree)
	}
}

var (
	yamlErrorLine = regexp.MustCompile(`^line (\d+): `)
	// The library numbers the lines of its parser's errors from 0, unlike those
	// of its scanner's. These are all that its parser has.
	yamlParserError = regexp.MustCompile(`^did not find expected (<(stream-start|document start)>|node content|'-' indicator|key|',' or)` +
		`|^found (undefined tag handle|duplicate %|incompatible YAML)`)
	yamlAnchorError = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
)

// yamlFailure turns the library's error, which has its position in its text
// if anywhere, into ours.
func yamlFailure(src []byte, err error) *Error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	at := Place{1, 0}
	if m := yamlErrorLine.FindStringSubmatch(msg); m != nil {
		n, _ := strconv.Atoi(m[1])
		at.Line = int32(n)
		msg = msg[len(m[0]):]
		if yamlParserError.MatchString(msg) {
			at.Line++
		}
		// The end of the text may count as a line of its own.
		at.Line = min(at.Line, int32(1+bytes.Count(bytes.TrimRight(src, " \t\r\n"), []byte("\n"))))
	} else if m := yamlAnchorError.FindStringSubmatch(msg); m != nil {
		if i := bytes.Index(src, []byte("*"+m[1])); i >= 0 {
			at = placeOf(src, i)
		}
	}
	e := &Error{At: at, Msg: "invalid YAML: " + msg}
	if strings.Contains(msg, "exceeded max depth") {
		e.Limit = true
	}
	return e
}

// separators counts the bytes that can stand between two values: no document
// has many more values than that.
func separators(src []byte) int {
	n := 0
	for _, c := range src {
		switch c {
		case ',', ':', '[', '{', '\n', '-', '?':
			n++
		}
	}
	return n
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Place returns where y stands, its column in bytes.
func (r *yamlReader) place(y *yaml.Node) Place {
	p := Place{int32(y.Line), int32(y.Column)}
	if r.lines == nil || y.Line < 1 || y.Line > len(r.lines) {
		return p
	}
	rest := r.lines[y.Line-1]
	col := 1
	for range y.Column - 1 {
		_, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		col += n
	}
	p.Col = int32(col)
	return p
}

func (r *yamlReader) convert(y *yaml.Node, depth int) (Node, *Error) {
	at := r.place(y)
	if depth > maxDepth {
		return Node{}, tooDeep(at)
	}
	if r.nodes++; r.nodes > maxNodes {
		return Node{}, tooMany(at)
	}
	if r.inAlias > 0 {
		if r.aliased++; r.aliased > maxAliasNodes {
			return Node{}, &Error{
				At: at, Limit: true,
				Msg:  fmt.Sprintf("the document's aliases expand to more than %d values", maxAliasNodes),
				Hint: "write the values out instead of nesting aliases",
			}
		}
	}
	switch y.Kind {
	case yaml.DocumentNode:
		if len(y.Content) == 0 {
			return Node{At: at}, nil
		}
		return r.convert(y.Content[0], depth)
	case yaml.AliasNode:
		r.inAlias++
		n, err := r.convert(y.Alias, depth+1)
		r.inAlias--
		n.At = at
		return n, err
	case yaml.ScalarNode:
		return r.scalar(y, at)
	case yaml.SequenceNode:
		if !knownTag(y, "!!seq") {
			return Node{}, unknownTag(y, at)
		}
		n := Node{Kind: List, At: at, Children: slices.Grow([]Field(nil), len(y.Content))}
		for _, c := range y.Content {
			v, err := r.convert(c, depth+1)
			if err != nil {
				return Node{}, err
			}
			n.Children = append(n.Children, Field{At: v.At, Value: v})
		}
		return n, nil
	case yaml.MappingNode:
		if !knownTag(y, "!!map") {
			return Node{}, unknownTag(y, at)
		}
		return r.mapping(y, at, depth)
	default:
		return Node{}, &Error{At: at, Msg: "invalid YAML: unexpected node"}
	}
}

func (r *yamlReader) mapping(y *yaml.Node, at Place, depth int) (Node, *Error) {
	n := Node{Kind: Object, At: at, Children: slices.Grow([]Field(nil), len(y.Content)/2)}
	var index map[string]int
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge" {
			merges = append(merges, v)
			continue
		}
		f := Field{At: r.place(k)}
		var err *Error
		if f.Key, err = r.key(k, depth); err != nil {
			return n, err
		}
		if f.Value, err = r.convert(v, depth+1); err != nil {
			return n, err
		}
		n.Children, index = r.add(n.Children, index, f)
	}
	if len(merges) == 0 {
		return n, nil
	}
	have := make(map[string]bool, len(n.Children))
	for i := range n.Children {
		have[n.Children[i].Key] = true
	}
	for _, m := range merges {
		if err := r.merge(&n, have, m, depth); err != nil {
			return n, err
		}
	}
	return n, nil
}

// merge adds the members of a merge key's value that n does not have yet.
func (r *yamlReader) merge(n *Node, have map[string]bool, y *yaml.Node, depth int) *Error {
	v, err := r.convert(y, depth+1)
	if err != nil {
		return err
	}
	from := []Field{{Value: v}}
	if v.Kind == List {
		from = v.Children
	}
	for i := range from {
		m := &from[i].Value
		if m.Kind != Object {
			return &Error{At: v.At, Msg: "invalid YAML: a merge key takes a mapping or a list of mappings"}
		}
		for _, f := range m.Children {
			if !have[f.Key] {
				have[f.Key] = true
				n.Children = append(n.Children, f)
			}
		}
	}
	return nil
}

// key returns a mapping key as the string that JSON would have.
func (r *yamlReader) key(y *yaml.Node, depth int) (string, *Error) {
	k, err := r.convert(y, depth+1)
	if err != nil {
		return "", err
	}
	switch k.Kind {
	case Text, Integer, Boolean, Float:
		return k.Text, nil
	default:
		return "", &Error{At: k.At, Msg: fmt.Sprintf("a mapping key must be a string, not %s", k.Kind)}
	}
}

func knownTag(y *yaml.Node, want string) bool {
	return y.Style&yaml.TaggedStyle == 0 || y.ShortTag() == want
}

func unknownTag(y *yaml.Node, at Place) *Error {
	return &Error{At: at, Msg: fmt.Sprintf("the YAML tag %s has no meaning here", y.ShortTag()), Hint: "remove the tag"}
}

func (r *yamlReader) scalar(y *yaml.Node, at Place) (Node, *Error) {
	n := Node{Kind: Text, At: at}
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	switch {
	case y.Style&yaml.TaggedStyle != 0:
		want, ok := map[string]Kind{
			"!!str": Text, "!!null": Null, "!!bool": Boolean, "!!int": Integer, "!!float": Float,
		}[y.ShortTag()]
		if !ok {
			return n, unknownTag(y, at)
		}
		if want != Text {
			n.Kind, n.Text = resolvePlain(y.Value)
			if n.Kind != want && !(want == Float && n.Kind == Integer) {
				return n, &Error{At: at, Msg: fmt.Sprintf("%q is not what its YAML tag %s says", y.Value, y.ShortTag())}
			}
			return n, nil
		}
	case y.Style&quoted == 0:
		n.Kind, n.Text = resolvePlain(y.Value)
		if n.Kind != Text {
			return n, nil
		}
	}
	n.Text = r.names.Of([]byte(y.Value))
	return n, nil
}

var yamlFloat = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// resolvePlain gives a plain scalar its type by the rules of YAML 1.1 as
// kubectl's parser has them: yes, no, on and off are booleans, 0x1f, 0b11 and
// 017 are numbers, and 1e3 is the integer 1000 once it is JSON.
func resolvePlain(s string) (Kind, string) {
	if s == "" {
		return Null, ""
	}
	switch c := s[0]; {
	case c == '.' || c == '+' || c == '-' || '0' <= c && c <= '9':
		return resolveNumber(s)
	case c == '~' || strings.IndexByte("yYnNtTfFoO", c) >= 0:
		switch s {
		case "~", "null", "Null", "NULL":
			return Null, ""
		case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
			return Boolean, "true"
		case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
			return Boolean, "false"
		}
	}
	return Text, s
}

func resolveNumber(s string) (Kind, string) {
	switch s {
	case ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF":
		return Float, s
	}
	if s[0] == '.' {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return floatOf(f)
		}
		return Text, s
	}
	plain := strings.ReplaceAll(s, "_", "")
	if v, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return Integer, strconv.FormatInt(v, 10)
	}
	if v, err := strconv.ParseUint(plain, 0, 64); err == nil {
		return Integer, strconv.FormatUint(v, 10)
	}
	if yamlFloat.MatchString(plain) {
		if f, err := strconv.ParseFloat(plain, 64); err == nil {
			return floatOf(f)
		}
	}
	return Text, s
}

// floatOf returns a number as JSON would carry it: without a fraction it is
// indistinguishable from an integer.
func floatOf(f float64) (Kind, string) {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return Integer, strconv.FormatInt(int64(f), 10)
	}
	return Float, strconv.FormatFloat(f, 'g', -1, 64)
}
