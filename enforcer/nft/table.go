package nft

import (
	"bytes"
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/internal/artifact"
)

// TableName is the name of the table, of family inet.
const TableName = "sluice"

// Table is the content of the node's table. It is a value: nobody changes a
// table, its sets or its chains once Render has returned it.
type Table struct {
	Marker Marker
	Sets   map[string]*Set
	Chains map[string]*Chain
}

// Family of addresses.
type Family uint8

// The families; also indices of two-element arrays.
const (
	IPv4 Family = 0
	IPv6 Family = 1
)

// familyOf returns the family of a.
func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// addrLen returns the size of an address in bytes.
func (f Family) addrLen() int {
	if f == IPv4 {
		return 4
	}
	return 16
}

// digit is the family in names of chains and sets.
func (f Family) digit() string {
	if f == IPv4 {
		return "4"
	}
	return "6"
}

// KeyType is what a set's elements are made of.
type KeyType uint8

// The types of key. Fields of a concatenation are padded to four bytes.
const (
	KeyMark      KeyType = iota // of the marker set, which has no elements
	KeyAddr                     // address
	KeyPorts                    // protocol . port
	KeyAddrPorts                // address . protocol . port
)

// Set is a named set or verdict map.
type Set struct {
	Name     string
	Comment  string
	Key      KeyType
	Family   Family
	Interval bool // elements are ranges: the lowest key, then the highest

	// Learned sets are created empty and filled by somebody else: their
	// elements are none of the ruleset's. Domain says from which name.
	Learned bool
	Domain  string

	// Elements holds the elements one after the other, Width bytes each, in
	// the kernel's layout, ascending.
	Elements []byte

	// Map makes it a verdict map from addresses; its content is Entries, and
	// Elements is empty.
	Map     bool
	Entries map[netip.Addr]Entry
}

// Entry is the value of a verdict map's element.
type Entry struct {
	Verdict Verdict
	Comment string
}

// keyLen returns the size of a key in bytes.
func (s *Set) keyLen() int {
	switch s.Key {
	case KeyAddr:
		return s.Family.addrLen()
	case KeyPorts:
		return portsLen
	case KeyAddrPorts:
		return s.Family.addrLen() + portsLen
	default:
		return 4
	}
}

// Width returns the size of an element in Elements.
func (s *Set) Width() int {
	if s.Interval {
		return 2 * s.keyLen()
	}
	return s.keyLen()
}

// Len returns the number of elements.
func (s *Set) Len() int {
	if s.Map {
		return len(s.Entries)
	}
	return len(s.Elements) / s.Width()
}

// sameShape reports whether the two differ in nothing but elements.
func (s *Set) sameShape(o *Set) bool {
	return s.Name == o.Name && s.Comment == o.Comment && s.Key == o.Key && s.Family == o.Family &&
		s.Interval == o.Interval && s.Learned == o.Learned && s.Map == o.Map
}

// equal reports whether the two are the same to the kernel.
func (s *Set) equal(o *Set) bool {
	return s == o || s.sameShape(o) && bytes.Equal(s.Elements, o.Elements) && maps.Equal(s.Entries, o.Entries)
}

// addrs returns the map's keys, ascending.
func (s *Set) addrs() []netip.Addr {
	return slices.SortedFunc(maps.Keys(s.Entries), netip.Addr.Compare)
}

// Chain is a chain and its rules. A chain with a Hook is a base chain of
// priority filter - 10 and policy accept.
type Chain struct {
	Name  string
	Hook  Hook
	Rules []Rule
}

// Hook of a base chain.
type Hook uint8

// The hooks.
const (
	HookNone Hook = iota
	HookInput
	HookForward
)

// Rule is a rule: if all of Match match, the packet is counted and the verdict
// holds. If the last match is a lookup in a verdict map, Verdict is unset.
type Rule struct {
	Match   []Match
	Counter bool
	Verdict Verdict
	Comment string
}

// Match is one condition on a packet.
type Match struct {
	Field  Field
	Family Family             // for fields with an address
	Side   Side               // for fields with an address
	Set    string             // for fields that are looked up
	Prefix netip.Prefix       // for FieldPrefix
	Ports  artifact.PortRange // for FieldPort
}

// Field is what a match looks at. The zero value is invalid.
type Field uint8

// The fields.
const (
	FieldAddr      Field = iota + 1 // address in Set
	FieldPrefix                     // address in Prefix
	FieldPort                       // protocol and destination port in Ports
	FieldFamily                     // of this family
	FieldPorts                      // protocol and destination port in Set
	FieldAddrPorts                  // all three in Set
	FieldAddrMap                    // address in the verdict map Set
	FieldCTState                    // verdict by connection state
	FieldLoopback                   // arrived on lo
	FieldNeighbour                  // ICMPv6 that resolves neighbours and finds routers
)

// Side of a connection.
type Side uint8

// The sides.
const (
	Source Side = iota
	Destination
)

// Verdict of a rule or map entry. The zero value is none.
type Verdict struct {
	Kind  VerdictKind
	Chain string // for Jump and Goto
}

// VerdictKind tells what happens to the packet.
type VerdictKind uint8

// The kinds of verdict.
const (
	NoVerdict VerdictKind = iota
	Accept
	Drop
	Return
	Jump
	Goto
)

// hooks in the order in which base chains are listed.
func (c *Chain) compare(o *Chain) int {
	return cmp.Or(-cmp.Compare(c.Hook, o.Hook), cmp.Compare(c.Name, o.Name))
}

// sortedChains returns the chains in the order in which they are created.
func (t *Table) sortedChains() []*Chain {
	return slices.SortedFunc(maps.Values(t.Chains), (*Chain).compare)
}

// sortedSets returns the sets in the order in which they are created.
func (t *Table) sortedSets() []*Set {
	return slices.SortedFunc(maps.Values(t.Sets), func(a, b *Set) int { return cmp.Compare(a.Name, b.Name) })
}

// Len returns the number of elements in all sets and maps.
func (t *Table) Len() int {
	n := 0
	for _, s := range t.Sets {
		n += s.Len()
	}
	return n
}
