package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Attributes of messages, from linux/netfilter/nf_tables.h.
const (
	attrTable        = 1  // NFTA_SET_TABLE, NFTA_RULE_TABLE, NFTA_SET_ELEM_LIST_TABLE
	attrName         = 2  // NFTA_SET_NAME, NFTA_RULE_CHAIN, NFTA_SET_ELEM_LIST_SET
	attrElements     = 3  // NFTA_SET_ELEM_LIST_ELEMENTS
	attrElementFlags = 3  // NFTA_SET_ELEM_FLAGS
	attrUserData     = 13 // NFTA_SET_USERDATA
	attrSetCount     = 20 // NFTA_SET_COUNT, since Linux 6.17
	familyInet       = 1  // NFPROTO_INET
	nfgenmsgLen      = 4
	unknownCount     = -1
	subsysMessage    = unix.NFNL_SUBSYS_NFTABLES << 8
)

// errNoTable means that the kernel has no table, or one without our marker.
var errNoTable = errors.New("no table of ours")

// reader asks the kernel what is loaded. It needs no more than a plain netlink
// socket and, unlike the library, keeps counts and comments of sets.
type reader struct{ conn *netlink.Conn }

func newReader() (*reader, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket for reading: %w", err)
	}
	if err := conn.SetReadBuffer(defaultBuffer); err != nil {
		return nil, errors.Join(fmt.Errorf("set read buffer: %w", err), conn.Close())
	}
	return &reader{conn}, nil
}

func (r *reader) close() error { return r.conn.Close() }

// get sends a request about our table and returns the answers' attributes.
func (r *reader) get(msg uint16, dump bool, name string) ([][]netlink.Attribute, error) {
	attrs := []netlink.Attribute{{Type: attrTable, Data: []byte(TableName + "\x00")}}
	if name != "" {
		attrs = append(attrs, netlink.Attribute{Type: attrName, Data: []byte(name + "\x00")})
	}
	b, err := netlink.MarshalAttributes(attrs)
	if err != nil {
		return nil, err
	}
	req := netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(subsysMessage | msg), Flags: netlink.Request},
		Data:   append([]byte{familyInet, 0, 0, 0}, b...),
	}
	if dump {
		req.Header.Flags |= netlink.Dump
	}
	replies, err := r.conn.Execute(req)
	if err != nil {
		return nil, err
	}
	out := make([][]netlink.Attribute, 0, len(replies))
	for _, m := range replies {
		if len(m.Data) < nfgenmsgLen {
			continue
		}
		as, err := netlink.UnmarshalAttributes(m.Data[nfgenmsgLen:])
		if err != nil {
			return nil, err
		}
		out = append(out, as)
	}
	return out, nil
}

// marker returns the marker of the table that stands, or errNoTable.
func (r *reader) marker() (Marker, error) {
	replies, err := r.get(unix.NFT_MSG_GETSET, false, markerSet)
	if errors.Is(err, unix.ENOENT) {
		return Marker{}, errNoTable
	}
	if err != nil {
		return Marker{}, fmt.Errorf("read marker: %w", err)
	}
	for _, as := range replies {
		for _, a := range as {
			if a.Type != attrUserData {
				continue
			}
			text, _ := userdata.GetString(a.Data, userdata.NFTNL_UDATA_SET_COMMENT)
			m, err := ParseMarker(text)
			if err != nil {
				return Marker{}, fmt.Errorf("%w: %w", errNoTable, err)
			}
			return m, nil
		}
	}
	return Marker{}, fmt.Errorf("%w: set %s has no comment", errNoTable, markerSet)
}

// setCounts returns the number of elements of every set, or of the named one
// alone; unknownCount where the kernel does not tell.
func (r *reader) setCounts(name string) (map[string]int, error) {
	replies, err := r.get(unix.NFT_MSG_GETSET, name == "", name)
	if err != nil {
		return nil, fmt.Errorf("read sets: %w", err)
	}
	out := make(map[string]int, len(replies))
	for _, as := range replies {
		set, n := "", unknownCount
		for _, a := range as {
			switch {
			case a.Type == attrName:
				set = text(a.Data)
			case a.Type == attrSetCount && len(a.Data) == 4:
				n = int(binary.BigEndian.Uint32(a.Data))
			}
		}
		out[set] = n
	}
	return out, nil
}

// countElements counts the elements of a set one by one, a range as one.
func (r *reader) countElements(set string) (int, error) {
	replies, err := r.get(unix.NFT_MSG_GETSETELEM, true, set)
	if err != nil {
		return 0, fmt.Errorf("read elements of set %s: %w", set, err)
	}
	n := 0
	for _, as := range replies {
		for _, a := range as {
			if a.Type&^unix.NLA_F_NESTED != attrElements {
				continue
			}
			els, err := netlink.UnmarshalAttributes(a.Data)
			if err != nil {
				return 0, fmt.Errorf("read elements of set %s: %w", set, err)
			}
			for _, el := range els {
				if !rangeEnd(el.Data) {
					n++
				}
			}
		}
	}
	return n, nil
}

// rangeEnd reports whether an element is the end of a range and no element of
// its own.
func rangeEnd(element []byte) bool {
	attrs, err := netlink.UnmarshalAttributes(element)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(attrs, func(a netlink.Attribute) bool {
		return a.Type&^unix.NLA_F_NESTED == attrElementFlags && len(a.Data) == 4 &&
			binary.BigEndian.Uint32(a.Data)&unix.NFT_SET_ELEM_INTERVAL_END != 0
	})
}

// ruleCounts returns the number of rules of every chain that has any.
func (r *reader) ruleCounts() (map[string]int, error) {
	replies, err := r.get(unix.NFT_MSG_GETRULE, true, "")
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	out := make(map[string]int)
	for _, as := range replies {
		for _, a := range as {
			if a.Type == attrName {
				out[text(a.Data)]++
			}
		}
	}
	return out, nil
}

func text(b []byte) string {
	if n := len(b); n > 0 && b[n-1] == 0 {
		b = b[:n-1]
	}
	return string(b)
}

// verify compares the number of elements of the sets with what the kernel has.
func (r *reader) verify(sets []*Set) error {
	const few = 32 // up to here, asking for each set is cheaper than for all
	var counts map[string]int
	if len(sets) > few {
		var err error
		if counts, err = r.setCounts(""); err != nil {
			return err
		}
	}
	var errs []error
	for _, s := range sets {
		if s.Learned {
			continue
		}
		if err := r.verifySet(s, counts); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (r *reader) verifySet(s *Set, counts map[string]int) error {
	want := s.Len()
	if s.Interval && s.Key == KeyAddr {
		// Both ends of a range are elements, and kernels differ in what they
		// count: count here.
		got, err := r.countElements(s.Name)
		return countError(s, got, want, err)
	}
	if counts == nil {
		var err error
		if counts, err = r.setCounts(s.Name); err != nil {
			return err
		}
	}
	got, ok := counts[s.Name]
	if !ok {
		return fmt.Errorf("set %s is missing", s.Name)
	}
	var err error
	if got == unknownCount {
		got, err = r.countElements(s.Name)
	}
	return countError(s, got, want, err)
}

func countError(s *Set, got, want int, err error) error {
	if err == nil && got != want {
		err = fmt.Errorf("set %s has %d elements, want %d", s.Name, got, want)
	}
	return err
}

// verifyTable compares the whole table by numbers: sets and their elements,
// chains and their rules.
func (r *reader) verifyTable(t *Table) error {
	counts, err := r.setCounts("")
	if err != nil {
		return err
	}
	rules, err := r.ruleCounts()
	if err != nil {
		return err
	}
	for _, c := range t.Chains {
		if got := rules[c.Name]; got != len(c.Rules) {
			return fmt.Errorf("chain %s has %d rules, want %d", c.Name, got, len(c.Rules))
		}
		delete(rules, c.Name)
	}
	for name := range rules {
		return fmt.Errorf("chain %s is not of the ruleset", name)
	}
	for name := range counts {
		if t.Sets[name] == nil && !anonymous(name) {
			return fmt.Errorf("set %s is not of the ruleset", name)
		}
	}
	var errs []error
	for _, s := range t.sortedSets() {
		if !s.Learned {
			errs = append(errs, r.verifySet(s, counts))
		}
	}
	return errors.Join(errs...)
}

// anonymous reports whether the kernel made up the set's name.
func anonymous(name string) bool { return len(name) > 1 && name[:2] == "__" }
