package nft

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/sluice-net/sluice/internal/artifact"
)

// Registers as the nft program uses them, so that it can list the rules: the
// first of 16 bytes, and those of 4 bytes that follow an address in it.
const (
	reg1       = 1
	reg32_00   = 8
	regVerdict = 0
)

// match returns the same expressions as the nft program makes of Match.String:
// so it can list them.
func (e *encoder) match(m Match) []expr.Any {
	afterAddr := reg32_00 + uint32(m.Family.addrLen())/4
	lookup := &expr.Lookup{SourceRegister: reg1, SetName: m.Set}
	switch m.Field {
	case FieldAddr:
		return append(m.address(), lookup)
	case FieldPrefix:
		return m.prefix()
	case FieldAddrMap:
		lookup.IsDestRegSet, lookup.DestRegister = true, regVerdict
		return append(m.address(), lookup)
	case FieldPort:
		return matchPort(m.Ports)
	case FieldPorts:
		return append(loadPorts(reg1, reg32_00+1), lookup)
	case FieldAddrPorts:
		return append(slices.Concat(m.address(), loadPorts(afterAddr, afterAddr+1)), lookup)
	case FieldFamily:
		return m.family()
	case FieldCTState:
		return e.ctState()
	case FieldLoopback:
		name := make([]byte, 16)
		copy(name, "lo")
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1}, equals(name)}
	case FieldNeighbour:
		return e.neighbour()
	default:
		e.fail("match", fmt.Errorf("unknown field %d", m.Field))
		return nil
	}
}

func equals(data []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: data} }

// family matches packets of the match's family.
func (m Match) family() []expr.Any {
	nfproto := byte(2) // NFPROTO_IPV4
	if m.Family == IPv6 {
		nfproto = 10
	}
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg1}, equals([]byte{nfproto})}
}

// load matches the family and loads the first bytes of the address.
func (m Match) load(n int) []expr.Any {
	offset := 12 // of the source address
	if m.Family == IPv6 {
		offset = 8
	}
	if m.Side == Destination {
		offset += m.Family.addrLen()
	}
	return append(m.family(), &expr.Payload{
		DestRegister: reg1, Base: expr.PayloadBaseNetworkHeader, Offset: uint32(offset), Len: uint32(n),
	})
}

func (m Match) address() []expr.Any { return m.load(m.Family.addrLen()) }

// prefix compares whole bytes if it can, and masks if it must.
func (m Match) prefix() []expr.Any {
	addr, bits := m.Prefix.Addr().AsSlice(), m.Prefix.Bits()
	if bits > 0 && bits%8 == 0 {
		return append(m.load(bits/8), equals(addr[:bits/8]))
	}
	mask := make([]byte, len(addr))
	for i := range bits {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return append(m.address(), &expr.Bitwise{
		SourceRegister: reg1, DestRegister: reg1, Len: uint32(len(addr)), Mask: mask, Xor: make([]byte, len(addr)),
	}, equals(addr))
}

// loadPorts loads the protocol and the destination port.
func loadPorts(proto, port uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: proto},
		&expr.Payload{DestRegister: port, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
	}
}

func matchPort(r artifact.PortRange) []expr.Any {
	port := func(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }
	out := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1},
		equals([]byte{r.Protocol}),
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
	}
	if r.Low == r.High {
		return append(out, equals(port(r.Low)))
	}
	return append(out,
		&expr.Cmp{Op: expr.CmpOpGte, Register: reg1, Data: port(r.Low)},
		&expr.Cmp{Op: expr.CmpOpLte, Register: reg1, Data: port(r.High)})
}

// ctState is a lookup in an anonymous verdict map.
func (e *encoder) ctState() []expr.Any {
	m := &nftables.Set{
		Table: e.table, ID: e.nextID(), Name: "__map%d", Anonymous: true, Constant: true, IsMap: true,
		KeyType: nftables.TypeCTState, DataType: nftables.TypeVerdict,
	}
	bit := func(b uint32) []byte { return binary.NativeEndian.AppendUint32(nil, b) }
	e.fail("ct state", e.conn.AddSet(m, []nftables.SetElement{
		{Key: bit(expr.CtStateBitINVALID), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: chainInvalid}},
		{Key: bit(expr.CtStateBitESTABLISHED), VerdictData: &expr.Verdict{Kind: expr.VerdictAccept}},
		{Key: bit(expr.CtStateBitRELATED), VerdictData: &expr.Verdict{Kind: expr.VerdictAccept}},
	}))
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg1},
		&expr.Lookup{SourceRegister: reg1, SetName: m.Name, SetID: m.ID, IsDestRegSet: true, DestRegister: regVerdict},
	}
}

// neighbour is a lookup in an anonymous set of ICMPv6 types.
func (e *encoder) neighbour() []expr.Any {
	s := &nftables.Set{
		Table: e.table, ID: e.nextID(), Name: "__set%d", Anonymous: true, Constant: true,
		KeyType: nftables.TypeICMP6Type,
	}
	e.fail("icmpv6 types", e.conn.AddSet(s, []nftables.SetElement{
		{Key: []byte{133}}, {Key: []byte{135}}, {Key: []byte{136}},
	}))
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg1},
		equals([]byte{10}),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1},
		equals([]byte{58}),
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Lookup{SourceRegister: reg1, SetName: s.Name, SetID: s.ID},
	}
}
