package rego

import (
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// allowedBuiltins are the functions that rules may call: those whose result
// depends on their arguments alone and whose cost is bounded by them.
var allowedBuiltins = []string{
	// comparison, assignment, membership
	"assign", "eq", "equal", "neq", "lt", "lte", "gt", "gte",
	"internal.member_2", "internal.member_3", "internal.print", "internal.template_string", "internal.test_case", "print",
	// numbers
	"abs", "ceil", "div", "floor", "max", "min", "minus", "mul", "numbers.range", "numbers.range_step",
	"plus", "product", "rem", "round", "sum", "to_number",
	// strings
	"concat", "contains", "endswith", "format_int", "glob.match", "glob.quote_meta", "indexof", "lower",
	"regex.is_valid", "regex.match", "replace", "split", "sprintf", "startswith",
	"strings.any_prefix_match", "strings.any_suffix_match", "strings.count", "strings.replace_n", "strings.reverse",
	"substring", "trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix", "upper",
	// collections
	"and", "array.concat", "array.reverse", "array.slice", "count", "graph.reachable", "intersection",
	"object.filter", "object.get", "object.keys", "object.remove", "object.subset", "object.union", "object.union_n",
	"or", "set_diff", "sort", "union",
	// types
	"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "type_name",
	// addresses
	"net.cidr_contains", "net.cidr_intersects", "net.cidr_is_valid", "net.cidr_merge",
	// annotations, versions
	"rego.metadata.chain", "rego.metadata.rule", "semver.compare", "semver.is_valid",
}

// capabilities is the language that modules may use.
var capabilities = sync.OnceValue(func() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(slices.Clone(c.Builtins), func(b *ast.Builtin) bool {
		return !slices.Contains(allowedBuiltins, b.Name)
	})
	c.FutureKeywords = nil
	c.AllowNet = []string{}
	return c
})

// banned reports whether name is one of OPA's functions, and not allowed here.
func banned(name string) bool {
	return ast.BuiltinMap[name] != nil && !slices.Contains(allowedBuiltins, name)
}
