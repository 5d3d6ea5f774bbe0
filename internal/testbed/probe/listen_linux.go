package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/internal/testbed/netns"
)

// Listen makes somebody listen on a port of ns, on all its addresses, until
// the station is closed. TCP connections are accepted and what they send is
// sent back; UDP answers probes only.
func (s *Station) Listen(ns *netns.Namespace, protocol uint8, port uint16) error {
	switch protocol {
	case TCP:
		return ns.Do(func() error { return s.listenTCP(port) })
	case UDP:
		return ns.Do(func() error { return s.listenUDP(port) })
	case SCTP:
		if s.answersSCTP {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.sctp[port] = true
			return nil
		}
		return ns.Do(func() error { return s.listenSCTP(port) })
	default:
		return fmt.Errorf("listen: protocol %d has no listeners", protocol)
	}
}

// onClose has f called by Close, or now if that was called already.
func (s *Station) onClose(f func() error) {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.closers = append(s.closers, f)
	}
	s.mu.Unlock()
	if closed {
		_ = f()
	}
}

func (s *Station) listenTCP(port uint16) error {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: int(port)})
	if err != nil {
		return err
	}
	s.onClose(l.Close)
	s.readers.Go(func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			s.onClose(func() error { _ = c.Close(); return nil })
			s.readers.Go(func() { _, _ = io.Copy(c, c); _ = c.Close() })
		}
	})
	return nil
}

func (s *Station) listenUDP(port uint16) error {
	for _, network := range []string{"udp4", "udp6"} {
		c, err := net.ListenUDP(network, &net.UDPAddr{Port: int(port)})
		if err != nil {
			return err
		}
		s.onClose(c.Close)
		s.readers.Go(func() {
			buf := make([]byte, 2048)
			for {
				n, from, err := c.ReadFromUDPAddrPort(buf)
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil && string(buf[:n]) == udpRequest {
					_, _ = c.WriteToUDPAddrPort([]byte(udpResponse), from)
				}
			}
		})
	}
	return nil
}

func (s *Station) listenSCTP(port uint16) error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		return fmt.Errorf("open an SCTP socket: %w", err)
	}
	s.onClose(func() error { return unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet6{Port: int(port)}); err != nil {
		return fmt.Errorf("bind SCTP port %d: %w", port, err)
	}
	return unix.Listen(fd, 128)
}

// kernelHasSCTP reports whether the kernel speaks SCTP.
func kernelHasSCTP() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// answerInit answers an INIT chunk in place of the kernel.
func (s *Station) answerInit(from netip.Addr, oob, b []byte) {
	if len(b) < 32 || b[12] != sctpInit || !s.answersSCTP {
		return
	}
	to, ok := destination(oob)
	if !ok {
		return
	}
	tag := binary.BigEndian.Uint32(b[16:])
	remote, local := binary.BigEndian.Uint16(b[0:]), binary.BigEndian.Uint16(b[2:])
	s.mu.Lock()
	listening := s.sctp[local]
	s.mu.Unlock()
	reply := sctpPacket(local, remote, tag, sctpAbort, 0)
	if listening {
		reply = sctpPacket(local, remote, tag, sctpInitAck, initTag)
	}
	// A reply that cannot be sent looks like any other lost packet.
	_ = s.send(withHeader(to, from, SCTP, reply), from)
}

// destination returns the address that a packet was sent to.
func destination(oob []byte) (netip.Addr, bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(m.Data[8:12])), true // ipi_addr
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16([16]byte(m.Data[0:16])), true
		}
	}
	return netip.Addr{}, false
}
