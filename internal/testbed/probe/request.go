package probe

import (
	"fmt"
	"net/netip"
	"time"
)

// Request is one connection attempt from the namespace of a station.
type Request struct {
	// Src need not be an address of the namespace: what the network does with
	// a forged source can be probed too, though its answers go elsewhere.
	Src, Dst netip.Addr
	// Protocol is TCP, UDP, SCTP, ICMP (that of the addresses' family), or any
	// that the destination's kernel does not know and refuses.
	Protocol uint8
	Port     uint16 // destination port; ignored for protocols without ports
}

// Outcome is what became of a connection attempt. The zero value is invalid.
type Outcome uint8

// The outcomes. Passed and Refused both mean that the network let the attempt
// through.
const (
	Passed  Outcome = iota + 1 // somebody answered
	Refused                    // the destination answered that nobody listens
	Dropped                    // no answer, or a firewall's rejection
	Error                      // the attempt could not be made
)

// String returns the outcome in lower case.
func (o Outcome) String() string {
	switch o {
	case Passed:
		return "passed"
	case Refused:
		return "refused"
	case Dropped:
		return "dropped"
	case Error:
		return "error"
	default:
		return fmt.Sprintf("outcome(%d)", uint8(o))
	}
}

// LetThrough reports whether the network let the attempt through.
func (o Outcome) LetThrough() bool { return o == Passed || o == Refused }

// Result is the outcome of one request.
type Result struct {
	Outcome  Outcome
	Err      error         // why, for Error
	Attempts int           // packets sent
	Elapsed  time.Duration // since the last of them
}

// Options say how patient a station is.
type Options struct {
	// Timeout of the first attempt; it doubles with each further one. 150 ms
	// if zero.
	Timeout time.Duration
	// Attempts before silence means Dropped; 3 if zero. A lost packet must not
	// look like a policy's verdict, and machines that run tests are busy.
	Attempts int
	// Window bounds the probes under way; stations may share one. Room for
	// 512 if nil: more can overrun the kernel's backlog, which drops.
	Window chan struct{}
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 150 * time.Millisecond
	}
	if o.Attempts == 0 {
		o.Attempts = 3
	}
	if o.Window == nil {
		o.Window = make(chan struct{}, 512)
	}
	return o
}
