package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/internal/testbed/netns"
)

// The range of source ports. Ports are used in turn, so that connection
// tracking has forgotten a connection when its port comes round again.
const (
	firstPort = 20000
	lastPort  = 65000
)

// Station sends probes from one network namespace and listens in it. It is
// safe for concurrent use.
type Station struct {
	send4, send6 int // IPPROTO_RAW sockets
	conns        []*net.IPConn
	readers      sync.WaitGroup
	answersSCTP  bool // in place of a kernel that has no SCTP

	mu      sync.Mutex
	next    uint16
	waiting map[key]*flight
	sctp    map[uint16]bool // ports with a listener
	closers []func() error
	closed  bool
}

// flight is a probe under way.
type flight struct {
	packet   []byte
	dst      netip.Addr
	o        Options
	attempt  int
	sent     time.Time
	timer    *time.Timer
	finished func(Result)
}

// NewStation opens the sockets of a station in ns. It needs CAP_NET_RAW.
func NewStation(ns *netns.Namespace) (*Station, error) {
	s := &Station{
		send4: -1, send6: -1,
		next:    firstPort + uint16(rand.N(lastPort-firstPort)),
		waiting: make(map[key]*flight),
		sctp:    make(map[uint16]bool),
	}
	if err := ns.Do(s.open); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Station) open() (err error) {
	s.answersSCTP = !kernelHasSCTP()
	if s.send4, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW); err != nil {
		return fmt.Errorf("open a raw IPv4 socket: %w", err)
	}
	if s.send6, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW); err != nil {
		return fmt.Errorf("open a raw IPv6 socket: %w", err)
	}
	for _, protocol := range []uint8{TCP, UDP, SCTP, ICMP, ICMPv6} {
		for _, network := range []string{"ip4", "ip6"} {
			if (protocol == ICMP && network == "ip6") || (protocol == ICMPv6 && network == "ip4") {
				continue
			}
			c, err := net.ListenIP(fmt.Sprintf("%s:%d", network, protocol), nil)
			if err != nil {
				return fmt.Errorf("listen for protocol %d on %s: %w", protocol, network, err)
			}
			s.conns = append(s.conns, c)
			if err := s.prepare(c, protocol); err != nil {
				return err
			}
			s.readers.Go(func() { s.read(c, protocol) })
		}
	}
	return nil
}

// prepare sizes the receive buffer and asks for the destination of SCTP
// packets, from which an answer must come.
func (s *Station) prepare(c *net.IPConn, protocol uint8) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var opt error
	err = raw.Control(func(fd uintptr) {
		if e := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20); e != nil {
			// Not allowed in a user namespace; the default does for most.
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
		}
		if protocol != SCTP {
			return
		}
		if c.LocalAddr().(*net.IPAddr).IP.To4() != nil {
			opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		} else {
			opt = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	})
	return errors.Join(err, opt)
}

func (s *Station) read(c *net.IPConn, protocol uint8) {
	buf, oob := make([]byte, 2048), make([]byte, 256)
	for {
		n, noob, _, from, err := c.ReadMsgIP(buf, oob)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error that the socket reports; the ICMP socket has it too
		}
		src, _ := netip.AddrFromSlice(from.IP)
		src = src.Unmap()
		b := buf[:n]
		if src.Is4() {
			// ReadMsgIP leaves the IPv4 header in place.
			if len(b) < 20 || len(b) < int(b[0]&15)*4 {
				continue
			}
			b = b[int(b[0]&15)*4:]
		}
		if k, res, ok := answer(protocol, src, b); ok {
			s.finish(k, res)
		} else if protocol == SCTP {
			s.answerInit(src, oob[:noob], b)
		}
	}
}

// Run sends all requests and returns their results in the same order. When ctx
// ends, the requests that were not sent yet have its error.
func (s *Station) Run(ctx context.Context, requests []Request, o Options) []Result {
	o = o.withDefaults()
	results := make([]Result, len(requests))
	var wg sync.WaitGroup
	for i, q := range requests {
		select {
		case o.Window <- struct{}{}:
		case <-ctx.Done():
			results[i] = Result{Outcome: Error, Err: ctx.Err()}
			continue
		}
		wg.Add(1)
		s.launch(q, o, func(r Result) {
			results[i] = r
			<-o.Window
			wg.Done()
		})
	}
	wg.Wait()
	return results
}

// launch sends the first packet of a request; finished is called exactly once.
func (s *Station) launch(q Request, o Options, finished func(Result)) {
	if !q.Src.IsValid() || !q.Dst.IsValid() || q.Src.Is4() != q.Dst.Is4() || q.Src.Is4In6() || q.Dst.Is4In6() {
		finished(Result{Outcome: Error, Err: fmt.Errorf("from %v to %v: want two addresses of one family", q.Src, q.Dst)})
		return
	}
	k := key{q.Protocol, q.Dst, q.Port, 0}
	switch q.Protocol {
	case TCP, UDP, SCTP:
	case ICMP, ICMPv6:
		k.protocol, k.port = echoProtocol(q.Dst), 0
	default:
		k.port = 0
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		finished(Result{Outcome: Error, Err: net.ErrClosed})
		return
	}
	if s.next++; s.next >= lastPort {
		s.next = firstPort
	}
	k.local = s.next
	f := &flight{packet: firstPacket(q, k.local), dst: q.Dst, o: o, finished: finished}
	s.waiting[k] = f
	s.mu.Unlock()
	s.transmit(k, f)
}

// transmit sends the packet of a flight and sets its timer.
func (s *Station) transmit(k key, f *flight) {
	s.mu.Lock()
	f.sent = time.Now()
	f.timer = time.AfterFunc(f.o.Timeout<<f.attempt, func() { s.expire(k) })
	f.attempt++
	s.mu.Unlock()
	if err := s.send(f.packet, f.dst); err != nil {
		if errors.Is(err, unix.EPERM) {
			// A rule of this namespace dropped it on its way out; a later
			// attempt would fare the same.
			s.finish(k, Result{Outcome: Dropped})
			return
		}
		s.finish(k, Result{Outcome: Error, Err: fmt.Errorf("send to %v: %w", f.dst, err)})
	}
}

// send hands a packet to the kernel, waiting while its queues are full.
func (s *Station) send(packet []byte, dst netip.Addr) error {
	for range 100 {
		var err error
		if dst.Is4() {
			err = unix.Sendto(s.send4, packet, 0, &unix.SockaddrInet4{Addr: dst.As4()})
		} else {
			err = unix.Sendto(s.send6, packet, 0, &unix.SockaddrInet6{Addr: dst.As16()})
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return unix.ENOBUFS
}

func (s *Station) expire(k key) {
	s.mu.Lock()
	f := s.waiting[k]
	again := f != nil && f.attempt < f.o.Attempts && !s.closed
	s.mu.Unlock()
	switch {
	case f == nil:
	case again:
		s.transmit(k, f)
	default:
		s.finish(k, Result{Outcome: Dropped})
	}
}

func (s *Station) finish(k key, r Result) {
	s.mu.Lock()
	f := s.waiting[k]
	delete(s.waiting, k)
	if f != nil {
		f.timer.Stop()
		r.Attempts = f.attempt
		r.Elapsed = time.Since(f.sent)
	}
	s.mu.Unlock()
	if f != nil {
		f.finished(r)
	}
}

// Close ends all listeners, and all probes under way with an error.
func (s *Station) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	var keys []key
	for k := range s.waiting {
		keys = append(keys, k)
	}
	closers := s.closers
	s.mu.Unlock()
	for _, k := range keys {
		s.finish(k, Result{Outcome: Error, Err: net.ErrClosed})
	}
	var errs []error
	for _, c := range closers {
		errs = append(errs, c())
	}
	for _, c := range s.conns {
		errs = append(errs, c.Close())
	}
	s.readers.Wait()
	for _, fd := range []int{s.send4, s.send6} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}
