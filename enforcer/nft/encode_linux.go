package nft

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
)

// maxChunk bounds the elements of one message, in bytes of netlink attributes:
// their list is itself an attribute, whose length has 16 bits. The library
// below does not check it, and elements beyond would be lost silently.
const maxChunk = 60_000

// encoder turns tables and changes into messages of a connection.
type encoder struct {
	conn  *nftables.Conn
	table *nftables.Table
	setID uint32
	err   error // the first
}

func newEncoder(conn *nftables.Conn) *encoder {
	return &encoder{conn: conn, table: &nftables.Table{Name: TableName, Family: nftables.TableFamilyINet}}
}

func (e *encoder) fail(what string, err error) {
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("encode %s: %w", what, err)
	}
}

// replace queues everything that puts t in the place of what is loaded.
func (e *encoder) replace(t *Table) {
	e.conn.AddTable(e.table) // so that there is one to delete
	e.conn.DelTable(e.table)
	e.conn.AddTable(e.table)
	chains, sets := t.sortedChains(), t.sortedSets()
	e.addAll(chains, sets)
}

// change queues a change.
func (e *encoder) change(c *Change) {
	e.addAll(c.AddChains, c.AddSets)
	for _, ch := range c.Elements {
		set := e.set(ch.Set)
		for chunk := range e.chunks(ch.Delete) {
			e.fail("elements of "+ch.Set.Name, e.conn.SetDeleteElements(set, chunk))
		}
		for chunk := range e.chunks(ch.Add) {
			e.fail("elements of "+ch.Set.Name, e.conn.SetAddElements(set, chunk))
		}
	}
	// Chains may go to each other: all rules go before the first chain.
	for _, c := range c.DelChains {
		e.conn.FlushChain(e.chain(c))
	}
	for _, c := range c.DelChains {
		e.conn.DelChain(e.chain(c))
	}
	for _, s := range c.DelSets {
		e.conn.DelSet(e.set(s))
	}
	marker := &Set{Name: markerSet, Key: KeyMark, Comment: c.Marker.String()}
	e.conn.DelSet(e.set(marker))
	e.addSet(marker)
}

// addAll queues chains, then the sets that name them, then the rules that name
// both.
func (e *encoder) addAll(chains []*Chain, sets []*Set) {
	for _, c := range chains {
		e.conn.AddChain(e.chain(c))
	}
	for _, s := range sets {
		e.addSet(s)
	}
	for _, c := range chains {
		ch := e.chain(c)
		for i := range c.Rules {
			e.addRule(ch, &c.Rules[i])
		}
	}
}

func (e *encoder) chain(c *Chain) *nftables.Chain {
	ch := &nftables.Chain{Name: c.Name, Table: e.table}
	if c.Hook == HookNone {
		return ch
	}
	ch.Type = nftables.ChainTypeFilter
	ch.Hooknum = nftables.ChainHookForward
	if c.Hook == HookInput {
		ch.Hooknum = nftables.ChainHookInput
	}
	ch.Priority = nftables.ChainPriorityRef(*nftables.ChainPriorityFilter - 10)
	accept := nftables.ChainPolicyAccept
	ch.Policy = &accept
	return ch
}

// nextID returns an identifier for a set, unique in the transaction.
func (e *encoder) nextID() uint32 {
	e.setID++
	return e.setID
}

func (e *encoder) set(s *Set) *nftables.Set {
	set := &nftables.Set{
		Table: e.table, Name: s.Name, ID: e.nextID(), Comment: s.Comment,
		Interval: s.Interval, IsMap: s.Map, HasTimeout: s.Learned,
		Concatenation: s.Key == KeyPorts || s.Key == KeyAddrPorts,
		KeyByteOrder:  binaryutil.BigEndian,
	}
	addr := nftables.TypeIPAddr
	if s.Family == IPv6 {
		addr = nftables.TypeIP6Addr
	}
	switch s.Key {
	case KeyAddr:
		set.KeyType = addr
	case KeyPorts:
		set.KeyType = nftables.MustConcatSetType(nftables.TypeInetProto, nftables.TypeInetService)
	case KeyAddrPorts:
		set.KeyType = nftables.MustConcatSetType(addr, nftables.TypeInetProto, nftables.TypeInetService)
	default:
		set.KeyType = nftables.TypeMark
		set.KeyByteOrder = binaryutil.NativeEndian
	}
	if s.Map {
		set.DataType = nftables.TypeVerdict
	}
	return set
}

func (e *encoder) addSet(s *Set) {
	set := e.set(s)
	e.fail("set "+s.Name, e.conn.AddSet(set, nil))
	for chunk := range e.chunks(s) {
		e.fail("elements of "+s.Name, e.conn.SetAddElements(set, chunk))
	}
}

// chunks yields the set's elements, as many at a time as fit in a message. The
// slice is reused.
func (e *encoder) chunks(s *Set) func(yield func([]nftables.SetElement) bool) {
	return func(yield func([]nftables.SetElement) bool) {
		var chunk []nftables.SetElement
		size := 0
		for el := range elements(s) {
			n := attributeSize(&el)
			if size+n > maxChunk {
				if !yield(chunk) {
					return
				}
				chunk, size = chunk[:0], 0
			}
			chunk = append(chunk, el)
			size += n
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}

// attributeSize returns the size of an element in a message, or a little more.
func attributeSize(el *nftables.SetElement) int {
	const header = 4
	align := func(n int) int { return (n + 3) &^ 3 }
	n := header + 2*header + align(len(el.Key))
	if len(el.KeyEnd) > 0 {
		n += 2*header + align(len(el.KeyEnd))
	}
	if el.IntervalEnd {
		n += header + 4
	}
	if el.VerdictData != nil {
		n += 4*header + 4 + align(len(el.VerdictData.Chain)+1)
	}
	if el.Comment != "" {
		n += header + align(2+len(el.Comment)+1)
	}
	return n
}

// elements yields the set's elements as the kernel takes them. An address
// range is two: where it begins, and the first address after it.
func elements(s *Set) func(yield func(nftables.SetElement) bool) {
	return func(yield func(nftables.SetElement) bool) {
		if s.Map {
			for _, a := range s.addrs() {
				entry := s.Entries[a]
				v := verdict(entry.Verdict)
				if !yield(nftables.SetElement{Key: a.AsSlice(), VerdictData: v, Comment: entry.Comment}) {
					return
				}
			}
			return
		}
		n := s.keyLen()
		for b, w := s.Elements, s.Width(); len(b) > 0; b = b[w:] {
			el := nftables.SetElement{Key: b[:n]}
			if s.Interval && s.Key != KeyAddr {
				el.KeyEnd = b[n:w]
			}
			if !yield(el) {
				return
			}
			if s.Interval && s.Key == KeyAddr {
				high, _ := netip.AddrFromSlice(b[n:w])
				// Nothing ends a range up to the last address.
				if next := high.Next(); next.IsValid() && !yield(nftables.SetElement{Key: next.AsSlice(), IntervalEnd: true}) {
					return
				}
			}
		}
	}
}

func verdict(v Verdict) *expr.Verdict {
	kinds := map[VerdictKind]expr.VerdictKind{
		Accept: expr.VerdictAccept, Drop: expr.VerdictDrop, Return: expr.VerdictReturn,
		Jump: expr.VerdictJump, Goto: expr.VerdictGoto,
	}
	return &expr.Verdict{Kind: kinds[v.Kind], Chain: v.Chain}
}

func (e *encoder) addRule(ch *nftables.Chain, r *Rule) {
	rule := &nftables.Rule{Table: e.table, Chain: ch}
	for _, m := range r.Match {
		rule.Exprs = append(rule.Exprs, e.match(m)...)
	}
	if r.Counter {
		rule.Exprs = append(rule.Exprs, &expr.Counter{})
	}
	if r.Verdict.Kind != NoVerdict {
		rule.Exprs = append(rule.Exprs, verdict(r.Verdict))
	}
	if r.Comment != "" {
		rule.UserData = userdata.AppendString(nil, userdata.TypeComment, r.Comment)
	}
	e.conn.AddRule(rule)
}
