package source

// flow reads a flow collection that ends on its line, made of short plain and
// quoted scalars.
func (p *blockParser) flow(depth int) (node, bool) {
	if depth > maxDepth || !p.count() {
		return node{}, false
	}
	out := node{kind: list, at: p.here()}
	closing := byte(']')
	if p.src[p.start] == '{' {
		out.kind, closing = object, '}'
	}
	var index map[string]int
	for first := true; ; first = false {
		p.start++ // the bracket or the comma before
		p.spaces()
		if p.start == p.end {
			return out, false
		}
		if p.src[p.start] == closing {
			p.start++
			return out, first // not after a comma, for simplicity
		}
		f := field{at: p.here()}
		ok := true
		if out.kind == object {
			if f.key, ok = p.flowKey(); !ok {
				return out, false
			}
		}
		if f.value, ok = p.flowValue(depth); !ok {
			return out, false
		}
		if out.kind == object {
			out.children, index = p.add(out.children, index, f)
		} else {
			out.children = append(out.children, f)
		}
		p.spaces()
		switch {
		case p.start < p.end && p.src[p.start] == closing:
			p.start++
			return out, true
		case p.start == p.end || p.src[p.start] != ',':
			return out, false
		}
	}
}

func (p *blockParser) spaces() {
	for p.start < p.end && p.src[p.start] == ' ' {
		p.start++
	}
}

// flowKey reads a key, its colon, and the space that must follow.
func (p *blockParser) flowKey() (string, bool) {
	const longest = 1000
	from := p.start
	var s []byte
	quoted := p.src[p.start] == '"' || p.src[p.start] == '\''
	if quoted {
		text, n, ok := quotedText(p.rest())
		if !ok {
			return "", false
		}
		s = text
		p.start += n
	} else {
		s = p.flowPlain()
	}
	if len(s) == 0 || p.start-from > longest || p.start+1 >= p.end || p.src[p.start] != ':' || p.src[p.start+1] != ' ' {
		return "", false
	}
	p.start += 2
	p.spaces()
	if quoted {
		return p.names.of(s), p.start < p.end
	}
	key, ok := p.keyText(s)
	return key, ok && p.start < p.end
}

// flowPlain returns the scalar at start and moves behind it. It may be empty,
// where something stands that this parser does not read.
func (p *blockParser) flowPlain() []byte {
	from := p.start
	for p.start < p.end && plainKey[p.src[p.start]] && p.src[p.start] != ':' {
		p.start++
	}
	if s := p.src[from:p.start]; len(s) > 0 && s[0] != '-' {
		return s
	}
	return nil
}

func (p *blockParser) flowValue(depth int) (node, bool) {
	switch p.src[p.start] {
	case '{', '[':
		return p.flow(depth + 1)
	case '"', '\'':
		v := node{kind: text, at: p.here()}
		s, n, ok := quotedText(p.rest())
		if !ok {
			return v, false
		}
		v.text = p.names.of(s)
		p.start += n
		return v, p.flowEnds() && p.count()
	}
	at := p.here()
	s := p.flowPlain()
	if len(s) == 0 {
		return node{}, false
	}
	v := node{at: at}
	v.kind, v.text = resolvePlain(p.names.of(s))
	return v, p.flowEnds() && p.count()
}

// flowEnds reports whether a scalar ends where this parser thinks it does.
func (p *blockParser) flowEnds() bool {
	p.spaces()
	if p.start == p.end {
		return false
	}
	c := p.src[p.start]
	return c == ',' || c == ']' || c == '}'
}
