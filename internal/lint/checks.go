package lint

import (
	"slices"

	"github.com/sluice-net/sluice/internal/diag"
)

// Check is one thing that lint looks for.
type Check struct {
	ID       string
	Severity diag.Severity // of its findings; a few vary, and say so
	Title    string
}

// checks is every check, by id. Ids are stable: a check that goes away leaves
// its id unused.
var checks = []Check{
	{"NP001", diag.Error, "Unknown field, kind or API version"},
	{"NP002", diag.Error, "Port range is inverted"},
	{"NP003", diag.Error, "endPort without a numeric port"},
	{"NP004", diag.Error, "Exception is not strictly inside its block"},
	{"NP005", diag.Error, "Peer is empty, or mixes an address block with selectors"},
	{"NP006", diag.Error, "Not a CIDR block"},
	{"NP007", diag.Error, "Exception is of the other address family"},
	{"NP008", diag.Error, "Invalid label, operator or values in a selector"},
	{"NP009", diag.Error, "Two objects of one kind have the same name"},
	{"NP010", diag.Error, "Name or namespace is missing"},
	{"NP011", diag.Warning, "Namespace is not in the input"},
	{"NP012", diag.Warning, "Selector contradicts itself"},
	{"NP101", diag.Warning, "Policy selects no pod"},
	{"NP102", diag.Warning, "Peer selects no pod"},
	{"NP109", diag.Warning, "No destination pod has the named port"},
	{"NP110", diag.Error, "Named port beside peers that are no pods"},
	{"NP202", diag.Warning, "Namespace without default deny"},
	{"NP204", diag.Warning, "Empty list of peers allows everyone"},
	{"NP207", diag.Warning, "Two peers where one with both selectors may be meant"},
	{"NP301", diag.Warning, "Egress is isolated without DNS"},
	{"NP401", diag.Warning, "Two policies of one priority disagree"},
	{"NP405", diag.Error, "Domain names in a rule that does not accept"},
	{"NP409", diag.Warning, "Policy of a version that has been replaced"},
	{"NP410", diag.Error, "Range of one port, or a protocol without a port"},
	{"NP411", diag.Error, "Not a domain name, or one that nothing has"},
	{"SG001", diag.Error, "Module or bundle does not parse"},
	{"SG002", diag.Error, "Module does not compile"},
	{"SG003", diag.Error, "Data file has the wrong shape"},
	{"SG004", diag.Error, "Rule set or its element has the wrong shape"},
	{"SG005", diag.Error, "Condition cannot be compiled"},
	{"SG006", diag.Error, "Condition also holds outside the cluster"},
	{"SG007", diag.Error, "Address condition covers pods or nodes"},
	{"SG008", diag.Error, "Condition also holds for traffic without ports"},
	{"SG009", diag.Error, "Segment rules are too large or take too long"},
	{"SG010", diag.Error, "Rule matches everything without saying so"},
	{"SG011", diag.Error, "Compiled rule disagrees with its text"},
	{"SG012", diag.Error, "Data that a rule refers to is not there"},
	{"SG101", diag.Warning, "Segment rule never matches"},
	{"SG102", diag.Warning, "Two segment rules share an id"},
	{"SG103", diag.Note, "Segment rule depends on the inventory"},
	{"SG104", diag.Warning, "No segment rules where they were expected"},
}

// Checks returns every check, by id.
func Checks() []Check { return slices.Clone(checks) }

// Known reports whether id is a check's.
func Known(id string) bool {
	return slices.ContainsFunc(checks, func(c Check) bool { return c.ID == id })
}
