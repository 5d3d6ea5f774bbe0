package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// Script returns the input of "nft -f" that replaces the table, atomically, by
// this one: the same that Kernel loads. The nft program of Debian 12 (1.0.6)
// reads it, and newer ones.
func (t *Table) Script() string {
	var b strings.Builder
	fmt.Fprintf(&b, "add table inet %s\ndelete table inet %s\ntable inet %s {\n", TableName, TableName, TableName)
	for _, s := range t.sortedSets() {
		s.script(&b)
	}
	for _, c := range t.sortedChains() {
		c.script(&b)
	}
	b.WriteString("}\n")
	return b.String()
}

func (s *Set) script(b *strings.Builder) {
	kind, suffix := "set", ""
	if s.Map {
		kind, suffix = "map", " : verdict"
	}
	fmt.Fprintf(b, "\t%s %s {\n\t\ttype %s%s\n", kind, s.Name, s.typeName(), suffix)
	switch {
	case s.Interval:
		b.WriteString("\t\tflags interval\n")
	case s.Learned:
		b.WriteString("\t\tflags timeout\n")
	}
	if s.Comment != "" {
		fmt.Fprintf(b, "\t\tcomment \"%s\"\n", s.Comment)
	}
	if s.Len() > 0 {
		b.WriteString("\t\telements = {")
		sep := " "
		for e := range s.elementTexts {
			b.WriteString(sep)
			b.WriteString(e)
			sep = ",\n\t\t\t     "
		}
		b.WriteString(" }\n")
	}
	b.WriteString("\t}\n\n")
}

func (s *Set) typeName() string {
	addr := "ipv4_addr"
	if s.Family == IPv6 {
		addr = "ipv6_addr"
	}
	switch s.Key {
	case KeyAddr:
		return addr
	case KeyPorts:
		return "inet_proto . inet_service"
	case KeyAddrPorts:
		return addr + " . inet_proto . inet_service"
	default:
		return "mark"
	}
}

// elementTexts yields the elements in the nft program's language.
func (s *Set) elementTexts(yield func(string) bool) {
	if s.Map {
		for _, a := range s.addrs() {
			e := s.Entries[a]
			if !yield(fmt.Sprintf("%v comment \"%s\" : %v", a, e.Comment, e.Verdict)) {
				return
			}
		}
		return
	}
	for b, w := s.Elements, s.Width(); len(b) > 0; b = b[w:] {
		if !yield(s.elementText(b[:w])) {
			return
		}
	}
}

func (s *Set) elementText(e []byte) string {
	low, high := e, e
	if s.Interval {
		low, high = e[:len(e)/2], e[len(e)/2:]
	}
	var fields []string
	if s.Key == KeyAddr || s.Key == KeyAddrPorts {
		n := s.Family.addrLen()
		fields = append(fields, addrText(low[:n], high[:n]))
		low, high = low[n:], high[n:]
	}
	if s.Key == KeyPorts || s.Key == KeyAddrPorts {
		fields = append(fields, protocolText(low[0]))
		fields = append(fields, portsText(binary.BigEndian.Uint16(low[4:]), binary.BigEndian.Uint16(high[4:])))
	}
	return strings.Join(fields, " . ")
}

func addrText(low, high []byte) string {
	l, _ := netip.AddrFromSlice(low)
	h, _ := netip.AddrFromSlice(high)
	if l == h {
		return l.String()
	}
	return fmt.Sprintf("%v-%v", l, h)
}

func portsText(low, high uint16) string {
	if low == high {
		return fmt.Sprint(low)
	}
	return fmt.Sprintf("%d-%d", low, high)
}

func protocolText(p uint8) string {
	switch p {
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 132:
		return "sctp"
	default:
		return fmt.Sprint(p)
	}
}

func (c *Chain) script(b *strings.Builder) {
	fmt.Fprintf(b, "\tchain %s {\n", c.Name)
	switch c.Hook {
	case HookNone:
	case HookForward:
		b.WriteString("\t\ttype filter hook forward priority filter - 10; policy accept;\n")
	case HookInput:
		b.WriteString("\t\ttype filter hook input priority filter - 10; policy accept;\n")
	}
	for i := range c.Rules {
		fmt.Fprintf(b, "\t\t%v\n", &c.Rules[i])
	}
	b.WriteString("\t}\n\n")
}

// String returns the rule in the nft program's language.
func (r *Rule) String() string {
	var parts []string
	for _, m := range r.Match {
		parts = append(parts, m.String())
	}
	if r.Counter {
		parts = append(parts, "counter")
	}
	if r.Verdict.Kind != NoVerdict {
		parts = append(parts, r.Verdict.String())
	}
	if r.Comment != "" {
		parts = append(parts, `comment "`+r.Comment+`"`)
	}
	return strings.Join(parts, " ")
}

// String returns the match in the nft program's language.
func (m Match) String() string {
	addr := "ip "
	if m.Family == IPv6 {
		addr = "ip6 "
	}
	if m.Side == Source {
		addr += "saddr"
	} else {
		addr += "daddr"
	}
	switch m.Field {
	case FieldAddr:
		return addr + " @" + m.Set
	case FieldPrefix:
		if m.Prefix.IsSingleIP() {
			return addr + " " + m.Prefix.Addr().String()
		}
		return addr + " " + m.Prefix.String()
	case FieldPort:
		return protocolText(m.Ports.Protocol) + " dport " + portsText(m.Ports.Low, m.Ports.High)
	case FieldFamily:
		if m.Family == IPv6 {
			return "meta nfproto ipv6"
		}
		return "meta nfproto ipv4"
	case FieldPorts:
		return "meta l4proto . th dport @" + m.Set
	case FieldAddrPorts:
		return addr + " . meta l4proto . th dport @" + m.Set
	case FieldAddrMap:
		return addr + " vmap @" + m.Set
	case FieldCTState:
		return "ct state vmap { established : accept, related : accept, invalid : goto " + chainInvalid + " }"
	case FieldLoopback:
		return `iifname "lo"`
	case FieldNeighbour:
		return "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }"
	default:
		return fmt.Sprintf("field(%d)", m.Field)
	}
}

// String returns the verdict in the nft program's language.
func (v Verdict) String() string {
	switch v.Kind {
	case Accept:
		return "accept"
	case Drop:
		return "drop"
	case Return:
		return "return"
	case Jump:
		return "jump " + v.Chain
	case Goto:
		return "goto " + v.Chain
	default:
		return "none"
	}
}
