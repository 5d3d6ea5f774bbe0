package probe

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// The IANA numbers of the protocols that can be probed.
const (
	ICMP   uint8 = 1
	TCP    uint8 = 6
	UDP    uint8 = 17
	ICMPv6 uint8 = 58
	SCTP   uint8 = 132
)

const (
	icmpEchoReply    = 0
	icmpUnreachable  = 3
	icmpRedirect     = 5
	icmpEcho         = 8
	icmp6Unreachable = 1
	icmp6BadParam    = 4
	icmp6Echo        = 128
	icmp6EchoReply   = 129

	tcpSYN = 1 << 1
	tcpRST = 1 << 2
	tcpACK = 1 << 4

	sctpInit    = 1
	sctpInitAck = 2
	sctpAbort   = 6
)

// The payloads of UDP probes. An echo server answers the first with the second
// and nothing else, so that two servers cannot keep each other busy.
const (
	udpRequest  = "sluice?"
	udpResponse = "sluice!"
)

// initTag is the verification tag and the sequence number of all probes:
// the local port alone tells probes apart.
const initTag = 0x51c1ce00

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// firstPacket returns the IP packet that opens a connection. local is the
// source port, or the identifier of an ICMP echo.
func firstPacket(q Request, local uint16) []byte {
	switch q.Protocol {
	case TCP:
		return withHeader(q.Src, q.Dst, TCP, tcpSegment(local, q.Port))
	case UDP:
		return withHeader(q.Src, q.Dst, UDP, udpDatagram(local, q.Port))
	case SCTP:
		return withHeader(q.Src, q.Dst, SCTP, sctpPacket(local, q.Port, 0, sctpInit, initTag))
	case ICMP, ICMPv6:
		return withHeader(q.Src, q.Dst, echoProtocol(q.Dst), echo(q.Dst, local))
	default:
		// Any bytes will do; what answers quotes the first eight.
		return withHeader(q.Src, q.Dst, q.Protocol, []byte{byte(local >> 8), byte(local), 0, 0, 0, 0, 0, 0})
	}
}

// echoProtocol is the ICMP of the address's family.
func echoProtocol(a netip.Addr) uint8 {
	if a.Is4() {
		return ICMP
	}
	return ICMPv6
}

// tcpSegment is a SYN without options (RFC 9293 section 3.1).
func tcpSegment(from, to uint16) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b[0:], from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint32(b[4:], initTag)
	b[12] = 5 << 4
	b[13] = tcpSYN
	binary.BigEndian.PutUint16(b[14:], 64240)
	return b
}

func udpDatagram(from, to uint16) []byte {
	b := make([]byte, 8, 8+len(udpRequest))
	b = append(b, udpRequest...)
	binary.BigEndian.PutUint16(b[0:], from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	return b
}

// sctpPacket is an SCTP packet with one chunk: INIT, INIT-ACK or ABORT
// (RFC 9260 sections 3.1, 3.3.2, 3.3.3 and 3.3.7).
func sctpPacket(from, to uint16, verification uint32, chunk byte, tag uint32) []byte {
	b := make([]byte, 12, 40)
	binary.BigEndian.PutUint16(b[0:], from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint32(b[4:], verification)
	b = append(b, chunk, 0, 0, 4)
	if chunk != sctpAbort {
		b[15] = 20
		b = binary.BigEndian.AppendUint32(b, tag)
		b = binary.BigEndian.AppendUint32(b, 65536) // receiver window
		b = binary.BigEndian.AppendUint16(b, 1)     // outbound streams
		b = binary.BigEndian.AppendUint16(b, 1)     // inbound streams
		b = binary.BigEndian.AppendUint32(b, tag)   // first sequence number
	}
	if chunk == sctpInitAck {
		b[15] = 28
		b = append(b, 0, 7, 0, 8, 's', 'l', 'c', 'e') // the mandatory state cookie
	}
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, castagnoli))
	return b
}

func echo(dst netip.Addr, id uint16) []byte {
	b := make([]byte, 8, 16)
	b = append(b, "sluice??"...)
	b[0] = icmpEcho
	if !dst.Is4() {
		b[0] = icmp6Echo
	}
	binary.BigEndian.PutUint16(b[4:], id)
	return b
}

// withHeader puts an IP header in front of the payload and fills in its
// checksum.
func withHeader(src, dst netip.Addr, protocol uint8, payload []byte) []byte {
	switch protocol {
	case TCP:
		binary.BigEndian.PutUint16(payload[16:], checksum(src, dst, protocol, payload))
	case UDP:
		c := checksum(src, dst, protocol, payload)
		if c == 0 {
			c = 0xffff // 0 means none (RFC 768)
		}
		binary.BigEndian.PutUint16(payload[6:], c)
	case ICMP:
		binary.BigEndian.PutUint16(payload[2:], fold(sum(0, payload)))
	case ICMPv6:
		binary.BigEndian.PutUint16(payload[2:], checksum(src, dst, protocol, payload))
	}
	if dst.Is4() {
		b := make([]byte, 20, 20+len(payload))
		b[0] = 4<<4 | 5
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
		b[6] = 0x40 // do not fragment
		b[8] = 64
		b[9] = protocol
		copy(b[12:], src.AsSlice())
		copy(b[16:], dst.AsSlice())
		binary.BigEndian.PutUint16(b[10:], fold(sum(0, b)))
		return append(b, payload...)
	}
	b := make([]byte, 40, 40+len(payload))
	b[0] = 6 << 4
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	b[6] = protocol
	b[7] = 64
	copy(b[8:], src.AsSlice())
	copy(b[24:], dst.AsSlice())
	return append(b, payload...)
}

// checksum is the Internet checksum over the pseudo-header and b.
func checksum(src, dst netip.Addr, protocol uint8, b []byte) uint16 {
	s := sum(0, src.AsSlice())
	s = sum(s, dst.AsSlice())
	return fold(sum(s+uint32(protocol)+uint32(len(b)), b))
}

func sum(s uint32, b []byte) uint32 {
	for len(b) >= 2 {
		s += uint32(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
