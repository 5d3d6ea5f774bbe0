// Package probe finds out what the network does with a connection attempt:
// lets it through to somebody who listens, lets it through to nobody, or drops
// it.
//
// A Station stands in one network namespace. It builds the first packet of
// each connection itself and tells the answers apart by address, protocol and
// port, on raw sockets; so thousands of probes are under way at once, with a
// few descriptors and no thread of their own. The answers come from the
// destination's kernel: SYN-ACK or RST, echo reply, port unreachable. Nobody
// has to listen for a probe to show that the network let it through.
//
// SCTP is the exception. Where the kernel has no SCTP, the stations answer
// INIT chunks in its place, as a listener (INIT-ACK) or as a kernel without
// one (ABORT).
package probe
