package probe

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// key identifies a probe that waits for its answer.
type key struct {
	protocol uint8 // of the connection
	remote   netip.Addr
	port     uint16 // of the remote end; 0 for echoes
	local    uint16 // source port or echo identifier
}

// answer reads a packet that arrived from an address on a raw socket for a
// protocol. ok is false for packets that answer no probe.
func answer(protocol uint8, from netip.Addr, b []byte) (key, Result, bool) {
	switch protocol {
	case ICMP, ICMPv6:
		return icmpAnswer(protocol, from, b)
	case TCP:
		if len(b) < 20 || b[13]&tcpACK == 0 || binary.BigEndian.Uint32(b[8:]) != initTag+1 {
			return key{}, Result{}, false
		}
		k := key{TCP, from, binary.BigEndian.Uint16(b[0:]), binary.BigEndian.Uint16(b[2:])}
		switch {
		case b[13]&tcpRST != 0:
			return k, Result{Outcome: Refused}, true
		case b[13]&tcpSYN != 0:
			return k, Result{Outcome: Passed}, true
		}
	case UDP:
		if len(b) < 8 {
			return key{}, Result{}, false
		}
		k := key{UDP, from, binary.BigEndian.Uint16(b[0:]), binary.BigEndian.Uint16(b[2:])}
		return k, Result{Outcome: Passed}, string(b[8:]) == udpResponse
	case SCTP:
		if len(b) < 16 || binary.BigEndian.Uint32(b[4:]) != initTag {
			return key{}, Result{}, false
		}
		k := key{SCTP, from, binary.BigEndian.Uint16(b[0:]), binary.BigEndian.Uint16(b[2:])}
		switch b[12] {
		case sctpAbort:
			return k, Result{Outcome: Refused}, true
		case sctpInitAck:
			return k, Result{Outcome: Passed}, true
		}
	}
	return key{}, Result{}, false
}

func icmpAnswer(protocol uint8, from netip.Addr, b []byte) (key, Result, bool) {
	if len(b) < 8 {
		return key{}, Result{}, false
	}
	typ, code := b[0], b[1]
	if (protocol == ICMP && typ == icmpEchoReply) || (protocol == ICMPv6 && typ == icmp6EchoReply) {
		return key{protocol, from, 0, binary.BigEndian.Uint16(b[4:])}, Result{Outcome: Passed}, true
	}
	if protocol == ICMP && typ == icmpRedirect {
		return key{}, Result{}, false // news about the way, not the end of it
	}
	k, ok := quoted(protocol, b[8:])
	if !ok {
		return key{}, Result{}, false
	}
	// Only the destination itself can say that nobody listens. The same
	// message from anybody else is a firewall's rejection.
	refusal := from == k.remote
	switch {
	case protocol == ICMP && typ == icmpUnreachable:
		switch code {
		case 2, 3: // protocol, port
			return k, refused(refusal), true
		case 9, 10, 13: // prohibited
			return k, refused(false), true
		}
	case protocol == ICMPv6 && typ == icmp6Unreachable:
		switch code {
		case 4: // port
			return k, refused(refusal), true
		case 1, 5, 6: // prohibited, policy, reject route
			return k, refused(false), true
		}
	case protocol == ICMPv6 && typ == icmp6BadParam && code == 1: // unknown protocol
		return k, refused(refusal), true
	}
	return k, Result{Outcome: Error, Err: fmt.Errorf("%v answers with ICMP type %d code %d", from, typ, code)}, true
}

func refused(byDestination bool) Result {
	if byDestination {
		return Result{Outcome: Refused}
	}
	return Result{Outcome: Dropped}
}

// quoted returns the probe whose packet an ICMP error quotes.
func quoted(family uint8, b []byte) (key, bool) {
	var k key
	switch {
	case family == ICMP && len(b) >= 28 && b[0] == 4<<4|5:
		k.protocol = b[9]
		k.remote = netip.AddrFrom4([4]byte(b[16:20]))
		b = b[20:]
	case family == ICMPv6 && len(b) >= 48 && b[0]>>4 == 6:
		k.protocol = b[6]
		k.remote = netip.AddrFrom16([16]byte(b[24:40]))
		b = b[40:]
	default:
		return key{}, false
	}
	switch k.protocol {
	case TCP, UDP, SCTP:
		k.local = binary.BigEndian.Uint16(b[0:])
		k.port = binary.BigEndian.Uint16(b[2:])
		return k, true
	case ICMP, ICMPv6:
		k.local = binary.BigEndian.Uint16(b[4:])
		return k, b[0] == icmpEcho || b[0] == icmp6Echo
	default:
		k.local = binary.BigEndian.Uint16(b[0:])
		return k, true
	}
}
