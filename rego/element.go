package rego

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/sluice-net/sluice/internal/model"
)

// Priorities of rules. The lower number goes first.
const (
	DefaultPriority = 1000
	MaxPriority     = 1_000_000
)

// element is one element of a rule set: what a rule says besides when.
type element struct {
	ID       string
	Priority int
	Reason   string
	Log      bool
	MatchAll bool
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._:-]{0,126}[A-Za-z0-9])?$`)

// reservedID is the tier's default.
const reservedID = "default"

// parseElement reads a ground element: {id, priority, reason, log, matchAll},
// or the rule's metadata with these under custom.sluice.
func parseElement(v ast.Value) (element, error) {
	e := element{Priority: DefaultPriority}
	doc, err := ast.JSON(v)
	if err != nil {
		return e, err
	}
	fields, ok := doc.(map[string]any)
	if !ok {
		return e, fmt.Errorf("the element is %s, want {\"id\": ...} or rego.metadata.rule()", noun(doc))
	}
	if _, isMeta := fields["scope"]; isMeta {
		if fields, err = fromMetadata(fields); err != nil {
			return e, err
		}
	}
	for _, k := range sortedKeys(fields) {
		v := fields[k]
		var ok bool
		switch k {
		case "id":
			e.ID, ok = v.(string)
		case "reason":
			e.Reason, ok = v.(string)
		case "log":
			e.Log, ok = v.(bool)
		case "matchAll":
			e.MatchAll, ok = v.(bool)
		case "priority":
			if e.Priority, ok = integer(v); !ok || e.Priority < 0 || e.Priority > MaxPriority {
				return e, fmt.Errorf("priority is %v: want a whole number from 0 to %d", v, MaxPriority)
			}
		default:
			return e, fmt.Errorf("%q is not a field of a rule: those are id, priority, reason, log and matchAll", k)
		}
		if !ok {
			want := "text"
			if k == "log" || k == "matchAll" {
				want = "true or false"
			}
			return e, fmt.Errorf("%s is %v: want %s", k, v, want)
		}
	}
	switch {
	case e.ID == "":
		return e, fmt.Errorf("the rule has no id")
	case e.ID == reservedID:
		return e, fmt.Errorf("the id %q is taken by the tier's default", e.ID)
	case !idPattern.MatchString(e.ID):
		return e, fmt.Errorf("the id %q is not usable: want letters, digits and . _ : - in between, at most 128", e.ID)
	}
	return e, nil
}

func integer(v any) (int, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<31 {
		return 0, false
	}
	return int(f), true
}

// fromMetadata takes a rule's fields from its annotations. Without an id, the
// title gives one.
func fromMetadata(meta map[string]any) (map[string]any, error) {
	out := map[string]any{}
	if custom, ok := meta["custom"].(map[string]any); ok {
		if own, ok := custom["sluice"]; ok {
			fields, ok := own.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("the annotation custom.sluice is %s, want a mapping", noun(own))
			}
			out = fields
		}
	}
	title, _ := meta["title"].(string)
	if _, ok := out["id"]; !ok && title != "" {
		out["id"] = slug(title)
	}
	if text, ok := meta["description"].(string); ok && out["reason"] == nil {
		out["reason"] = text
	}
	return out, nil
}

// slug turns a title into an id: "web may reach DB" is web-may-reach-db.
func slug(title string) string {
	words := strings.FieldsFunc(strings.ToLower(title), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	s := strings.Join(words, "-")
	return strings.TrimRight(s[:min(len(s), 128)], "-")
}

// order is where a verdict stands among rules of equal priority.
func order(v model.Verdict) int {
	return slices.Index([]model.Verdict{model.Deny, model.Pass, model.Allow}, v)
}

// rank is the priority of the policy that an element becomes: the model knows
// no order of verdicts, so it is part of the number.
func rank(priority int, v model.Verdict) int32 {
	return int32(3*priority + order(v))
}

// defaultRank is behind every rule.
const defaultRank = 3*MaxPriority + 3

func compareElements(a, b element) int {
	return cmp.Or(
		cmp.Compare(a.ID, b.ID), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Reason, b.Reason),
		compareBools(a.Log, b.Log), compareBools(a.MatchAll, b.MatchAll),
	)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
