package rego

// Codes of findings. They are stable; docs/segments.md explains each.
const (
	codeSyntax    = "SG001" // does not parse
	codeInvalid   = "SG002" // does not compile
	codeData      = "SG003" // a data file has the wrong shape
	codeElement   = "SG004" // a rule set or an element has the wrong shape
	codeForm      = "SG005" // a condition that cannot be compiled
	codeKinds     = "SG006" // a condition that also holds outside the cluster
	codeAddresses = "SG007" // an address condition that covers pods or nodes
	codeTraffic   = "SG008" // a condition that also holds for traffic without ports
	codeLimit     = "SG009" // too slow, too large
	codeMatchAll  = "SG010" // matches everything without saying so
	codeDisagree  = "SG011" // compiled and original rule disagree
	codeNever     = "SG101" // never matches
	codeSameID    = "SG102" // two rules share an id
	codeInventory = "SG103" // depends on the inventory
	codeNothing   = "SG104" // no segment rule in the input
	codeUndefined = "SG012" // refers to data that is nowhere defined
)
