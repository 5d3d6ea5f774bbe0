package object

import (
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/compiler/source/document"
	"github.com/sluice-net/sluice/internal/model"
)

// selector reads a LabelSelector. Null and {} both match everything; that a
// selector is absent is for the caller to notice.
func (d *decoder) selector(n *document.Node, what string) model.Selector {
	var reqs []model.Requirement
	for i, f := range d.fields(n, what) {
		v := &n.Children[i].Value
		switch f.Key {
		case "matchLabels":
			for j, l := range d.fields(v, what+".matchLabels") {
				if r, ok := d.matchLabel(&v.Children[j], l.Key); ok {
					reqs = append(reqs, r)
				}
			}
		case "matchExpressions":
			for j := range d.items(v, what+".matchExpressions") {
				if r, ok := d.matchExpression(&v.Children[j].Value); ok {
					reqs = append(reqs, r)
				}
			}
		default:
			d.unknown(&n.Children[i], what, "matchLabels", "matchExpressions")
		}
	}
	s := model.NewSelector(reqs)
	if why := contradiction(s); why != "" {
		d.warnf(CodeImpossible, n.At, "remove one of the two requirements", "%s can match nothing on any cluster: %s", what, why)
	}
	return s
}

// namespaceSelector reads a selector on namespaces, all of which have the
// label with their name.
func (d *decoder) namespaceSelector(n *document.Node) model.Selector {
	s := d.selector(n, "namespaceSelector")
	for _, r := range s.Requirements {
		if r.Key == model.NamespaceNameLabel && r.Op == model.DoesNotExist {
			d.warnf(CodeImpossible, n.At, "remove the requirement",
				"namespaceSelector can match nothing on any cluster: every namespace has the label %s", r.Key)
		}
	}
	return s
}

func (d *decoder) matchLabel(f *document.Field, key string) (model.Requirement, bool) {
	value, ok := d.text(&f.Value, fmt.Sprintf("the value of label %q", key))
	if f.Value.Kind == document.Null {
		d.warnf(CodeSelector, f.At, `write "" if that is meant`,
			"label %q has no value; Kubernetes reads that as the empty string", key)
	}
	ok = d.labelKey(key, f.At) && ok && d.labelValue(value, f.Value.At)
	return model.Requirement{Key: key, Op: model.In, Values: []string{value}}, ok
}

var operators = map[string]model.Operator{
	"In": model.In, "NotIn": model.NotIn, "Exists": model.Exists, "DoesNotExist": model.DoesNotExist,
}

func (d *decoder) matchExpression(n *document.Node) (model.Requirement, bool) {
	before := d.failed
	d.failed = false
	var r model.Requirement
	var values *document.Node
	var operator string
	operatorAt, keyAt := n.At, n.At
	for i, f := range d.fields(n, "an item of matchExpressions") {
		v := &n.Children[i].Value
		switch f.Key {
		case "key":
			r.Key, _ = d.text(v, "key")
			keyAt = v.At
		case "operator":
			operator, _ = d.text(v, "operator")
			operatorAt = v.At
		case "values":
			values = v
			for j := range d.items(v, "values") {
				item := &v.Children[j].Value
				if s, ok := d.text(item, "an item of values"); ok && d.labelValue(s, item.At) {
					r.Values = append(r.Values, s)
				}
			}
		default:
			d.unknown(&n.Children[i], "matchExpressions", "key", "operator", "values")
		}
	}
	if !d.failed {
		d.labelKey(r.Key, keyAt)
		r.Op = d.operator(operator, operatorAt, len(r.Values), values, n.At)
	}
	ok := !d.failed
	d.failed = d.failed || before
	return r, ok
}

func (d *decoder) operator(name string, at document.Place, count int, values *document.Node, exprAt document.Place) model.Operator {
	if values != nil {
		exprAt = values.At
	}
	op, ok := operators[name]
	switch {
	case !ok:
		known := []string{"In", "NotIn", "Exists", "DoesNotExist"}
		hint := "known: In, NotIn, Exists, DoesNotExist"
		if s := Nearest(name, known); s != "" {
			hint = fmt.Sprintf("did you mean %q?", s)
		}
		d.errorf(CodeSelector, at, hint, "%q is not an operator of a label selector", name)
	case (op == model.In || op == model.NotIn) && count == 0:
		d.errorf(CodeSelector, exprAt, "", "operator %s needs at least one value", name)
	case (op == model.Exists || op == model.DoesNotExist) && count > 0:
		d.errorf(CodeSelector, exprAt, "remove the values, or use In or NotIn", "operator %s takes no values", name)
	}
	return op
}

// contradiction says why no set of labels at all satisfies s, or returns "".
func contradiction(s model.Selector) string {
	// Requirements are sorted by key, so that those on one key are together.
	for i := 0; i < len(s.Requirements); {
		j := i + 1
		for j < len(s.Requirements) && s.Requirements[j].Key == s.Requirements[i].Key {
			j++
		}
		if why := contradictionOn(s.Requirements[i:j]); why != "" {
			return why
		}
		i = j
	}
	return ""
}

// contradictionOn looks at the requirements on one key.
func contradictionOn(reqs []model.Requirement) string {
	if len(reqs) < 2 {
		return ""
	}
	var exists, absent, in bool
	var allowed, excluded []string
	for _, r := range reqs {
		switch r.Op {
		case model.In:
			exists = true
			if !in {
				in, allowed = true, r.Values
				continue
			}
			allowed = slices.DeleteFunc(slices.Clone(allowed), func(v string) bool { return !slices.Contains(r.Values, v) })
		case model.NotIn:
			excluded = append(excluded, r.Values...)
		case model.Exists:
			exists = true
		case model.DoesNotExist:
			absent = true
		}
	}
	key := reqs[0].Key
	switch {
	case exists && absent:
		return fmt.Sprintf("label %q must both exist and not exist", key)
	case in && len(allowed) == 0:
		return fmt.Sprintf("no value of label %q is in all of its lists", key)
	case in && !slices.ContainsFunc(allowed, func(v string) bool { return !slices.Contains(excluded, v) }):
		return fmt.Sprintf("every value that label %q may have is excluded again", key)
	default:
		return ""
	}
}
