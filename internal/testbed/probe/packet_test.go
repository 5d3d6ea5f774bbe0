package probe

import (
	"encoding/hex"
	"net/netip"
	"testing"
)

// A sum of zero must be sent as its other form: a receiver takes a UDP
// checksum of 0 for none, which IPv6 forbids.
func TestUDPChecksumIsNeverZero(t *testing.T) {
	for _, pair := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2"}} {
		src, dst := netip.MustParseAddr(pair[0]), netip.MustParseAddr(pair[1])
		header := 20
		if src.Is6() {
			header = 40
		}
		seen := false
		for port := range 65536 {
			b := firstPacket(Request{src, dst, UDP, uint16(port)}, 20000)
			got := uint16(b[header+6])<<8 | uint16(b[header+7])
			if got == 0 {
				t.Fatalf("%v, port %d: checksum 0", src, port)
			}
			seen = seen || got == 0xffff
		}
		if !seen {
			t.Errorf("%v: no port has the sum zero", src)
		}
	}
}

// The CRC is that of RFC 9260 appendix A, least significant byte first; the
// kernel's connection tracking checks it as well, where there is one.
func TestSCTPChecksum(t *testing.T) {
	const want = "4e200050" + "00000000" + "d4c7dbf6" + "01000014" + "51c1ce00" + "00010000" + "00010001" + "51c1ce00"
	if got := hex.EncodeToString(sctpPacket(20000, 80, 0, sctpInit, initTag)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzAnswer(f *testing.F) {
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::2")
	for _, p := range []uint8{TCP, UDP, SCTP, ICMP} {
		f.Add(p, firstPacket(Request{src, src, p, 80}, 20000)[20:])
	}
	quote := append([]byte{icmpUnreachable, 3, 0, 0, 0, 0, 0, 0}, firstPacket(Request{src, src, TCP, 80}, 20000)...)
	f.Add(ICMP, quote)
	f.Fuzz(func(_ *testing.T, protocol uint8, b []byte) {
		answer(protocol, src, b)
		answer(protocol, dst, b)
	})
}
