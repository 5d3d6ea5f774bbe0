package rego

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluice-net/sluice/internal/model"
)

// unknownOf returns the unknown that a reference names. The second result is
// false for a part of the input that is always there and no scalar, such as
// input.src.labels.
func unknownOf(ref ast.Ref, at *ast.Location) (unknown, bool, error) {
	if len(ref) > 0 && ref[0].Location != nil && at == nil {
		at = ref[0].Location
	}
	keys := make([]string, 0, len(ref))
	for _, x := range ref[1:] {
		s, ok := x.Value.(ast.String)
		if !ok {
			return unknown{}, false, refuse(at, "name the label, or let it range over a list: some k in [\"a\", \"b\"]",
				"%v cannot be compiled: which label it is depends on the connection", ref)
		}
		keys = append(keys, string(s))
	}
	wrong := func(n int, have ...string) error {
		hint := "it has " + strings.Join(have, ", ")
		if near := nearest(keys[n], have); near != "" {
			hint = fmt.Sprintf("did you mean %s? %s", near, hint)
		}
		return refuse(at, hint, "%v does not exist: %v has no %s", ref, ref[:n+1], keys[n])
	}
	deeper := func(n int) error {
		return refuse(at, "docs/segments.md lists what input has", "%v does not exist: %v is no object", ref, ref[:n+2])
	}
	leaf := func(u unknown, n int) (unknown, bool, error) {
		if len(keys) > n+1 {
			return u, false, deeper(n)
		}
		return u, true, nil
	}
	if len(keys) == 0 {
		return unknown{}, false, nil
	}
	end := noEnd
	switch keys[0] {
	case "src":
		end = srcEnd
	case "dst":
		end = dstEnd
	case "protocol":
		return leaf(unknown{field: fieldProtocol}, 0)
	case "port":
		return leaf(unknown{field: fieldPort}, 0)
	default:
		return unknown{}, false, wrong(0, "src", "dst", "protocol", "port")
	}
	if len(keys) == 1 {
		return unknown{}, false, nil
	}
	label := func(f field, n int) (unknown, bool, error) {
		if len(keys) == n+1 {
			return unknown{}, false, nil
		}
		u := unknown{end: end, field: f, key: keys[n+1]}
		if !validLabelKey(u.key) {
			return u, false, refuse(at, "", "%q is no key of a label", u.key)
		}
		return leaf(u, n+1)
	}
	switch keys[1] {
	case "kind":
		return leaf(unknown{end: end, field: fieldKind}, 1)
	case "ip":
		return leaf(unknown{end: end, field: fieldIP}, 1)
	case "name":
		return leaf(unknown{end: end, field: fieldName}, 1)
	case "labels":
		return label(fieldLabel, 1)
	case "namespace":
	default:
		return unknown{}, false, wrong(1, "kind", "ip", "name", "labels", "namespace")
	}
	if len(keys) == 2 {
		return unknown{}, false, nil
	}
	switch keys[2] {
	case "name":
		return leaf(unknown{end: end, field: fieldNamespace}, 2)
	case "labels":
		return label(fieldNamespaceLabel, 2)
	default:
		return unknown{}, false, wrong(2, "name", "labels")
	}
}

// nearest returns the word that s is probably meant to be.
func nearest(s string, words []string) string {
	best, at := "", 3
	for _, w := range words {
		if d := distance(strings.ToLower(s), strings.ToLower(w)); d < at {
			best, at = w, d
		}
	}
	return best
}

// distance is the number of letters to insert, remove or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// defined translates a reference to the input that stands alone.
func (t *residual) defined(ref ast.Ref, at *ast.Location) (formula, error) {
	u, scalar, err := unknownOf(ref, at)
	switch {
	case err != nil:
		return nil, err
	case !scalar:
		return all{}, nil
	}
	return t.within(u, anyValue{}, at)
}

// test is what a condition demands of one value.
type test interface {
	// set returns the strings that pass.
	set() valueSet
}

type (
	anyValue struct{}
	listed   []ast.Value // one of these
	unlisted []ast.Value // none of these
)

func (anyValue) set() valueSet   { return present }
func (l listed) set() valueSet   { return oneOf(texts(l)...) }
func (l unlisted) set() valueSet { s := oneOf(texts(l)...); s.inverse = true; return s }

func texts(vs []ast.Value) []string {
	var out []string
	for _, v := range vs {
		if s, ok := v.(ast.String); ok && s != marker {
			out = append(out, string(s))
		}
	}
	return out
}

func constants(x test) []ast.Value {
	switch x := x.(type) {
	case listed:
		return x
	case unlisted:
		return x
	default:
		return nil
	}
}

// within translates a condition on one unknown, which has to be defined.
func (t *residual) within(u unknown, x test, at *ast.Location) (formula, error) {
	values := slices.DeleteFunc(slices.Clone(constants(x)), func(v ast.Value) bool { return v.Compare(ast.String(marker)) == 0 })
	if u.field != fieldPort {
		for _, v := range values {
			if _, ok := v.(ast.String); !ok {
				return nil, refuse(at, fmt.Sprintf("quote the value: %q", v.String()),
					"%v is text and never equal to %v", u, v)
			}
		}
	}
	switch u.field {
	case fieldPort:
		return t.ports(x, values, at)
	case fieldProtocol:
		for _, s := range texts(values) {
			if !knownProtocol(s) {
				return nil, refuse(at, "input.protocol is "+strings.Join(protocolNames, ", ")+`, or a number as text, such as "47"`,
					"there is no protocol %q", s)
			}
		}
		traffic := onProtocols(x.set())
		return atom{conj{traffic: &traffic}}, nil
	case fieldKind:
		for _, s := range texts(values) {
			if !kinds.has(s) {
				return nil, refuse(at, "a kind is pod, node or ip", "there is no kind %q", s)
			}
		}
		return atom{onUnknown(u, x.set())}, nil
	case fieldIP:
		return t.address(u, x, values, at)
	case fieldName:
		return nil, refuse(at, "select by labels; for a workload, give its pods a label",
			"%v cannot be compiled: policies select pods and nodes by label, not by name", u)
	case fieldNamespace:
		return atom{onUnknown(u, x.set().filter(func(s string) bool { return s == "" || validLabelValue(s) }))}, nil
	default:
		return atom{onUnknown(u, x.set().filter(validLabelValue))}, nil
	}
}

func (t *residual) ports(x test, values []ast.Value, at *ast.Location) (formula, error) {
	var rs []portRange
	for _, v := range values {
		n, ok := v.(ast.Number)
		if !ok {
			return nil, refuse(at, "write the port without quotes", "input.port is a number and never equal to %v", v)
		}
		if i, ok := n.Int(); ok && i >= 0 && i <= maxPort {
			rs = append(rs, portRange{i, i})
		}
	}
	traffic := onPorts(mergePorts(rs))
	if _, listed := x.(listed); !listed {
		traffic = traffic.complement()
		traffic.other = valueSet{} // no port is defined there
	}
	return atom{conj{traffic: &traffic}}, nil
}

func (t *residual) address(u unknown, x test, values []ast.Value, at *ast.Location) (formula, error) {
	var sets []addrSet
	for _, s := range texts(values) {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" || a.Is4In6() {
			return nil, refuse(at, "write one address; for a range use net.cidr_contains", "%q is no IP address", s)
		}
		if a.String() != s {
			return nil, refuse(at, fmt.Sprintf("write %q", a), "%q is not the usual form of this address, so it never equals it", s)
		}
		sets = append(sets, addrSet{ranges: []addrRange{{a, a}}})
	}
	set := unionAddrs(sets...)
	if _, listed := x.(listed); !listed {
		set = set.complement()
		set.absent = false
	}
	return onAddrs(u.end, set), nil
}

func onAddrs(e endID, s addrSet) formula {
	return atom{conj{addrs: map[endID]addrSet{e: s}}}
}

// operand is one side of a comparison.
type operand struct {
	constant ast.Value // nil for an unknown
	unknown  unknown
	other    bool // neither
	// fallback stands for the value where the label is absent, as with
	// object.get; nil for none.
	fallback ast.Value
}

func (t *residual) operand(x *ast.Term, at *ast.Location) (operand, error) {
	switch v := x.Value.(type) {
	case ast.Ref:
		if v.HasPrefix(ast.InputRootRef) {
			u, scalar, err := unknownOf(v, at)
			return operand{unknown: u, other: !scalar}, err
		}
		return operand{other: true}, nil
	case ast.Call:
		return t.objectGet(v, at)
	}
	if ast.IsConstant(x.Value) {
		return operand{constant: x.Value}, nil
	}
	return operand{other: true}, nil
}

// objectGet reads object.get(input.src.labels, "key", "default").
func (t *residual) objectGet(call []*ast.Term, at *ast.Location) (operand, error) {
	other := operand{other: true}
	if len(call) != 4 || call[0].String() != ast.ObjectGet.Name {
		return other, nil
	}
	base, ok := call[1].Value.(ast.Ref)
	key, isKey := call[2].Value.(ast.String)
	if !ok || !isKey || !base.HasPrefix(ast.InputRootRef) || !ast.IsConstant(call[3].Value) {
		return other, nil
	}
	u, scalar, err := unknownOf(base.Append(ast.NewTerm(key)), at)
	if err != nil || !scalar || u.field != fieldLabel && u.field != fieldNamespaceLabel {
		return other, err
	}
	return operand{unknown: u, fallback: call[3].Value}, nil
}

// comparison operators as ranges of numbers: the port is beyond the bound.
var bounds = map[string]func(b float64) portRange{
	"gte": func(b float64) portRange { return portRange{toPort(math.Ceil(b)), maxPort} },
	"gt":  func(b float64) portRange { return portRange{toPort(math.Floor(b) + 1), maxPort} },
	"lte": func(b float64) portRange { return portRange{0, toPort(math.Floor(b))} },
	"lt":  func(b float64) portRange { return portRange{0, toPort(math.Ceil(b) - 1)} },
}

// mirrored are the operators with their sides swapped.
var mirrored = map[string]string{"gte": "lte", "gt": "lt", "lte": "gte", "lt": "gt"}

// toPort turns a bound into a number just outside the ports at most.
func toPort(f float64) int { return int(min(max(f, -1), maxPort+1)) }

// call translates a call without variables.
func (t *residual) call(terms []*ast.Term, at *ast.Location) (formula, error) {
	name := terms[0].String()
	if ref, ok := terms[0].Value.(ast.Ref); ok && ref.HasPrefix(ast.DefaultRootRef) {
		return t.rule(ref, terms[1:], at)
	}
	args := terms[1:]
	switch name {
	case "eq", "equal", "neq":
		if len(args) == 2 {
			return t.compare(name == "neq", args, at)
		}
	case "internal.member_2":
		return t.member(args, at)
	case "gt", "gte", "lt", "lte":
		if f, err := t.portBound(name, args, at); f != nil || err != nil {
			return f, err
		}
	case "net.cidr_contains":
		if len(args) == 2 {
			return t.cidr(args, at)
		}
	case "object.get":
		if len(args) == 4 {
			return t.compare(false, []*ast.Term{ast.NewTerm(ast.Call(terms[:4])), args[3]}, at)
		}
	}
	return t.evaluated(ast.Body{{Terms: terms, Location: at}})
}

// compare translates = and !=.
func (t *residual) compare(differ bool, args []*ast.Term, at *ast.Location) (formula, error) {
	if f, err := t.compareRule(differ, args, at); f != nil || err != nil {
		return f, err
	}
	if a, b, ok := arrays(args[0], args[1]); ok && !differ {
		var out all
		for i := range a {
			f, err := t.compare(false, []*ast.Term{a[i], b[i]}, at)
			if err != nil {
				return nil, err
			}
			out = append(out, f)
		}
		return out, nil
	}
	var ops [2]operand
	for i := range ops {
		var err error
		if ops[i], err = t.operand(args[i], at); err != nil {
			return nil, err
		}
	}
	a, b := ops[0], ops[1]
	if a.constant != nil {
		a, b = b, a
	}
	switch {
	case a.constant != nil: // both
		if (a.constant.Compare(b.constant) == 0) != differ {
			return all{}, nil
		}
		return some{}, nil
	case a.other && !b.other && b.constant != nil && b.constant.Compare(ast.String(marker)) == 0 && isInput(args):
		return all{}, nil // an object of the input: always there
	case a.other || b.other:
		// A constant that no part of the input can equal, or a call.
		if !a.other || !b.other {
			for i, o := range ops {
				if o.other && isObject(args[i]) {
					return nil, refuse(at, "compare the fields that matter one by one", "comparing whole objects cannot be compiled")
				}
			}
		}
		op := ast.Equality.Ref()
		if differ {
			op = ast.NotEqual.Ref()
		}
		return t.evaluated(ast.Body{{Terms: append([]*ast.Term{ast.NewTerm(op)}, args...), Location: at}})
	case b.constant != nil:
		if differ {
			return t.withDefault(a, unlisted{b.constant}, at)
		}
		return t.withDefault(a, listed{b.constant}, at)
	case a.fallback != nil || b.fallback != nil:
		return nil, refuse(at, "compare the labels themselves", "object.get cannot be compared with another label")
	default:
		return t.joined(a.unknown, b.unknown, differ, at)
	}
}

// compareRule translates a rule that is compared with true or false.
func (t *residual) compareRule(differ bool, args []*ast.Term, at *ast.Location) (formula, error) {
	for i, x := range args {
		ref, ok := x.Value.(ast.Ref)
		if !ok || !ref.HasPrefix(ast.DefaultRootRef) {
			continue
		}
		want, ok := args[1-i].Value.(ast.Boolean)
		if !ok || differ {
			continue
		}
		f, err := t.rule(ref, nil, at)
		if err != nil || bool(want) {
			return f, err
		}
		// It is false, not undefined, only with a default.
		if !slices.ContainsFunc(t.support[ref.String()], func(r *ast.Rule) bool { return r.Default }) {
			return some{}, nil
		}
		return not{f}, nil
	}
	return nil, nil
}

// isInput reports whether one of the terms is a part of the input.
func isInput(args []*ast.Term) bool {
	return slices.ContainsFunc(args, func(x *ast.Term) bool {
		ref, ok := x.Value.(ast.Ref)
		return ok && ref.HasPrefix(ast.InputRootRef)
	})
}

func isObject(x *ast.Term) bool {
	if o, ok := x.Value.(ast.Ref); ok {
		return o.HasPrefix(ast.InputRootRef)
	}
	_, ok := x.Value.(ast.Object)
	return ok
}

// arrays returns the elements of two arrays of one length.
func arrays(a, b *ast.Term) (x, y []*ast.Term, ok bool) {
	u, ok := a.Value.(*ast.Array)
	v, both := b.Value.(*ast.Array)
	if !ok || !both || u.Len() != v.Len() {
		return nil, nil, false
	}
	for i := range u.Len() {
		x, y = append(x, u.Elem(i)), append(y, v.Elem(i))
	}
	return x, y, true
}

// withDefault translates a condition on an operand that may have a default.
func (t *residual) withDefault(o operand, x test, at *ast.Location) (formula, error) {
	f, err := t.within(o.unknown, x, at)
	if err != nil || o.fallback == nil {
		return f, err
	}
	holds := false
	switch x := x.(type) {
	case listed:
		holds = slices.ContainsFunc(x, func(v ast.Value) bool { return v.Compare(o.fallback) == 0 })
	case unlisted:
		holds = !slices.ContainsFunc(x, func(v ast.Value) bool { return v.Compare(o.fallback) == 0 })
	default:
		holds = true
	}
	if !holds {
		return f, nil
	}
	return some{f, atom{onUnknown(o.unknown, valueSet{absent: true})}}, nil
}

// joined translates a comparison of two unknowns.
func (t *residual) joined(a, b unknown, differ bool, at *ast.Location) (formula, error) {
	if a == b {
		if differ {
			return some{}, nil
		}
		return t.within(a, anyValue{}, at)
	}
	for _, u := range []unknown{a, b} {
		if u.field != fieldLabel && u.field != fieldNamespace && u.field != fieldNamespaceLabel {
			return nil, refuse(at, "compare each with a constant", "%v cannot be compared with another part of the connection", u)
		}
	}
	t.bound[a], t.bound[b] = true, true
	return join{a: a, b: b, differ: differ, valuesA: t.inv.values(a), valuesB: t.inv.values(b)}, nil
}

// elements returns what "in" searches: the elements of a set or array, the
// values of an object.
func elements(x *ast.Term) ([]*ast.Term, bool) {
	var out []*ast.Term
	switch v := x.Value.(type) {
	case *ast.Array:
		v.Foreach(func(e *ast.Term) { out = append(out, e) })
	case ast.Set:
		out = v.Slice()
	case ast.Object:
		v.Foreach(func(_, e *ast.Term) { out = append(out, e) })
	default:
		return nil, false
	}
	return out, true
}

// member translates "x in collection".
func (t *residual) member(args []*ast.Term, at *ast.Location) (formula, error) {
	list, ok := elements(args[1])
	if !ok {
		if ref, isRef := args[1].Value.(ast.Ref); isRef && ref.HasPrefix(ast.DefaultRootRef) {
			return nil, refuse(at, `ask with brackets, name["x"], not with in`, "%s cannot be compiled: it is a set that depends on the connection", display(ref))
		}
		return nil, refuse(at, "compare with a list of constants", "searching %v cannot be compiled", args[1])
	}
	o, err := t.operand(args[0], at)
	if err != nil {
		return nil, err
	}
	constant := !slices.ContainsFunc(list, func(e *ast.Term) bool { return !ast.IsConstant(e.Value) })
	if !o.other && o.constant == nil && constant {
		var values listed
		for _, e := range list {
			values = append(values, e.Value)
		}
		return t.withDefault(o, values, at)
	}
	if a, ok := args[0].Value.(*ast.Array); ok && constant {
		if f, ok := t.portPairs(a, list); ok {
			return f, nil
		}
		list = slices.DeleteFunc(slices.Clone(list), func(e *ast.Term) bool {
			b, ok := e.Value.(*ast.Array)
			return !ok || b.Len() != a.Len()
		})
		return t.oneOf(args[0], args[0], list, at)
	}
	if o.constant != nil {
		return t.oneOf(args[0], args[1], list, at)
	}
	return nil, refuse(at, hintForms, "%v in %v cannot be compiled", args[0], args[1])
}

// portPairs translates [input.protocol, input.port] in a list of pairs.
func (t *residual) portPairs(a *ast.Array, list []*ast.Term) (formula, bool) {
	if a.Len() != 2 || a.Elem(0).String() != "input.protocol" || a.Elem(1).String() != "input.port" {
		return nil, false
	}
	var out trafficSet
	for _, e := range list {
		b, ok := e.Value.(*ast.Array)
		if !ok || b.Len() != 2 {
			return nil, false
		}
		name, isText := b.Elem(0).Value.(ast.String)
		number, isNumber := b.Elem(1).Value.(ast.Number)
		if !isText || !isNumber {
			return nil, false
		}
		i := slices.IndexFunc(ported[:], func(p model.Protocol) bool { return p.String() == string(name) })
		n, whole := number.Int()
		if i < 0 {
			return nil, false // said elsewhere
		}
		if whole && n >= 0 && n <= maxPort {
			out.ports[i] = append(out.ports[i], portRange{n, n})
		}
	}
	for i := range out.ports {
		out.ports[i] = mergePorts(out.ports[i])
	}
	return atom{conj{traffic: &out}}, true
}

// portBound translates a comparison of the port with a number; nil if it is
// something else.
func (t *residual) portBound(op string, args []*ast.Term, at *ast.Location) (formula, error) {
	if len(args) != 2 {
		return nil, nil
	}
	a, err := t.operand(args[0], at)
	if err != nil {
		return nil, err
	}
	b, err := t.operand(args[1], at)
	if err != nil {
		return nil, err
	}
	if a.constant != nil {
		a, b, op = b, a, mirrored[op]
	}
	if a.other || a.constant != nil || a.unknown.field != fieldPort {
		return nil, nil
	}
	n, ok := b.constant.(ast.Number)
	if !ok {
		return nil, refuse(at, "compare with a number", "input.port cannot be compared with %v", args[1])
	}
	f, ok := n.Float64()
	if !ok {
		return nil, refuse(at, "compare with a port number", "input.port cannot be compared with %v", n)
	}
	r := bounds[op](f)
	r.low, r.high = max(r.low, 0), min(r.high, maxPort)
	var traffic trafficSet
	if r.low <= r.high {
		traffic = onPorts([]portRange{r})
	}
	return atom{conj{traffic: &traffic}}, nil
}

// cidr translates net.cidr_contains with a constant block.
func (t *residual) cidr(args []*ast.Term, at *ast.Location) (formula, error) {
	block, ok := args[0].Value.(ast.String)
	ref, isRef := args[1].Value.(ast.Ref)
	if !ok || !isRef {
		return nil, refuse(at, "the block first, as a constant; the address second", "%v in %v cannot be compiled", args[1], args[0])
	}
	u, scalar, err := unknownOf(ref, at)
	if err != nil {
		return nil, err
	}
	if !scalar || u.field != fieldIP {
		return nil, refuse(at, "ask for input.src.ip or input.dst.ip", "%v is no address", ref)
	}
	p, err := netip.ParsePrefix(string(block))
	if err != nil || p.Addr().Is4In6() {
		return nil, refuse(at, "write an address block such as 10.0.0.0/8", "%q is no address block", string(block))
	}
	return onAddrs(u.end, addrSet{ranges: []addrRange{prefixRange(p)}}), nil
}

// evaluated translates expressions about one label by evaluating them for each
// of its values in the inventory.
func (t *residual) evaluated(group ast.Body) (formula, error) {
	at := group[0].Location
	refs := map[string]ast.Ref{}
	for _, e := range group {
		if len(e.With) > 0 {
			return nil, refuse(e.Location, "write the condition out instead", "with cannot be compiled")
		}
		if _, ok := e.Terms.(*ast.Every); ok {
			return nil, refuse(e.Location, "let every range over data or a list, and name the labels one by one",
				"every over what a connection has cannot be compiled")
		}
		bad := error(nil)
		ast.WalkTerms(e, func(x *ast.Term) bool {
			switch v := x.Value.(type) {
			case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
				bad = refuse(e.Location, "write the condition for each label, or let the comprehension range over data only",
					"a comprehension over what a connection has cannot be compiled")
			case ast.Ref:
				switch {
				case v.HasPrefix(ast.InputRootRef):
					refs[v.String()] = v
				case v.HasPrefix(ast.DefaultRootRef):
					_, bad = t.rule(v, nil, e.Location)
					if bad == nil {
						bad = refuse(e.Location, hintForms, "%s cannot be compiled here", display(v))
					}
				}
				return true
			}
			return bad != nil
		})
		if bad != nil {
			return nil, bad
		}
		if at == nil {
			at = e.Location
		}
	}
	names := sortedKeys(refs)
	switch len(names) {
	case 0:
		ok, err := t.eval(t.ctx, group)
		if err != nil {
			return nil, err
		}
		if ok {
			return all{}, nil
		}
		return some{}, nil
	case 1:
	default:
		return nil, refuse(at, "compare the two with == or !=, or each with constants",
			"a condition on %s together cannot be compiled", strings.Join(names, " and "))
	}
	ref := refs[names[0]]
	u, scalar, err := unknownOf(ref, at)
	if err != nil {
		return nil, err
	}
	if !scalar || u.field != fieldLabel && u.field != fieldNamespace && u.field != fieldNamespaceLabel {
		return nil, refuse(at, hintForms, "a condition on %v in this form cannot be compiled", ref)
	}
	t.bound[u] = true
	var values []string
	for _, v := range t.inv.values(u) {
		ok, err := t.eval(t.ctx, replaceRef(group, ref, ast.String(v)))
		if err != nil {
			return nil, err
		}
		if ok {
			values = append(values, v)
		}
	}
	return atom{onUnknown(u, oneOf(values...))}, nil
}

// replaceRef puts a value where ref is.
func replaceRef(b ast.Body, ref ast.Ref, value ast.Value) ast.Body {
	out := make(ast.Body, len(b))
	for i, e := range b {
		x, err := ast.Transform(ast.NewGenericTransformer(func(x any) (any, error) {
			if r, ok := x.(ast.Ref); ok && r.Equal(ref) {
				return value, nil
			}
			return x, nil
		}), e.Copy())
		if err != nil {
			panic(fmt.Sprintf("rego: replace %v: %v", ref, err))
		}
		out[i] = x.(*ast.Expr)
	}
	return out
}

// oneOf holds where everything that needed refers to is there and term equals
// one of list.
func (t *residual) oneOf(term, needed *ast.Term, list []*ast.Term, at *ast.Location) (formula, error) {
	var defined all
	for _, ref := range inputRefs(needed) {
		f, err := t.defined(ref, at)
		if err != nil {
			return nil, err
		}
		defined = append(defined, f)
	}
	var out some
	for _, e := range list {
		f, err := t.compare(false, []*ast.Term{term, e}, at)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return append(defined, out), nil
}
