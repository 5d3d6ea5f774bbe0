package nft

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"github.com/sluice-net/sluice/internal/artifact"
)

// Options of a Kernel. The zero value is what a node wants.
type Options struct {
	// WriteBuffer and ReadBuffer are the sizes of the netlink socket's buffers
	// in bytes; default 128 MiB. They are limits, not allocations. A
	// transaction has to fit into the first, the kernel's answers to it into
	// the second. Beyond net.core.wmem_max and rmem_max they need
	// CAP_NET_ADMIN.
	WriteBuffer, ReadBuffer int
	// Timeout of a transaction; default one minute.
	Timeout time.Duration
}

const defaultBuffer = 128 << 20

// Transaction is what a Sync did to the kernel.
type Transaction string

// The transactions.
const (
	Unchanged Transaction = "unchanged" // the kernel had it already
	Adopted   Transaction = "adopted"   // the kernel had it from another process
	Replaced  Transaction = "replaced"  // the whole table, at once
	Changed   Transaction = "changed"   // the difference, at once
)

// Report tells what a Sync did.
type Report struct {
	Transaction Transaction
	Elements    int           // of sets, added and deleted
	Commit      time.Duration // the transaction and its verification
	// Recovered is why the transaction was not the one that was planned, or
	// what the kernel said although it had committed; nil if all went well.
	Recovered error
}

// Kernel keeps the table of one node in the network namespace in which it was
// opened. It is not safe for concurrent use.
type Kernel struct {
	node string
	opts Options

	read *reader
	conn *nftables.Conn // lasting; nil after an error
	sock *netlink.Conn  // conn's socket
	have *Table         // what is known to stand in the kernel; nil if unknown
	last *Table         // what was rendered last
}

// Open connects to the kernel; it changes nothing. Close the Kernel after use:
// the rules remain.
func Open(node string, opts Options) (*Kernel, error) {
	if opts.WriteBuffer == 0 {
		opts.WriteBuffer = defaultBuffer
	}
	if opts.ReadBuffer == 0 {
		opts.ReadBuffer = defaultBuffer
	}
	if opts.Timeout == 0 {
		opts.Timeout = time.Minute
	}
	k := &Kernel{node: node, opts: opts}
	if err := k.connect(); err != nil {
		return nil, err
	}
	return k, nil
}

// Close closes the connections and leaves the rules standing.
func (k *Kernel) Close() error {
	var errs []error
	if k.read != nil {
		errs = append(errs, k.read.close())
		k.read = nil
	}
	if k.conn != nil {
		errs = append(errs, k.conn.CloseLasting())
		k.conn = nil
	}
	return errors.Join(errs...)
}

// connect opens what is not open.
func (k *Kernel) connect() error {
	if k.read == nil {
		r, err := newReader()
		if err != nil {
			return err
		}
		k.read = r
	}
	if k.conn == nil {
		c, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(s *netlink.Conn) error {
			k.sock = s
			return errors.Join(s.SetReadBuffer(k.opts.ReadBuffer), s.SetWriteBuffer(k.opts.WriteBuffer))
		}))
		if err != nil {
			return fmt.Errorf("open nftables: %w", err)
		}
		k.conn = c
	}
	return nil
}

// Sync makes the kernel enforce want. If it fails, what stood before stands
// still, and the next Sync finds out what that is.
func (k *Kernel) Sync(ctx context.Context, want *artifact.Ruleset) (Report, error) {
	// The digest is that of all that a table is made of.
	if k.last == nil || want.Digest.IsZero() || k.last.Marker != newMarker(want, k.node) {
		t, err := Render(want, k.node)
		if err != nil {
			return Report{}, err
		}
		k.last = t
	}
	return k.Apply(ctx, k.last)
}

// Apply is Sync for a rendered table.
func (k *Kernel) Apply(ctx context.Context, want *Table) (Report, error) {
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	if err := k.connect(); err != nil {
		return Report{}, err
	}
	standing, err := k.read.marker()
	switch {
	case errors.Is(err, errNoTable):
		k.have = nil
	case err != nil:
		return Report{}, k.discard(err)
	case k.have != nil && standing != k.have.Marker:
		k.have = nil // somebody else's
	case k.have == nil && standing == want.Marker:
		if k.read.verifyTable(want) == nil {
			k.have = want
			return Report{Transaction: Adopted}, nil
		}
	}
	if k.have == nil {
		return k.replace(ctx, want, nil)
	}
	c, ok := Diff(want, k.have)
	if !ok {
		return k.replace(ctx, want, nil)
	}
	if c.empty() && standing == want.Marker {
		k.have = want
		return Report{Transaction: Unchanged}, nil
	}
	return k.change(ctx, want, c)
}

// change commits a difference; if that fails, the whole table.
func (k *Kernel) change(ctx context.Context, want *Table, c *Change) (Report, error) {
	start := time.Now()
	rep := Report{Transaction: Changed, Elements: c.Len()}
	err := k.commit(ctx, want.Marker, func(e *encoder) { e.change(c) }, &rep)
	if err == nil {
		err = k.read.verify(c.touched())
	}
	if err != nil {
		return k.replace(ctx, want, fmt.Errorf("change table inet %s: %w", TableName, err))
	}
	k.have = want
	rep.Commit = time.Since(start)
	return rep, nil
}

// replace commits the whole table.
func (k *Kernel) replace(ctx context.Context, want *Table, because error) (Report, error) {
	if err := ctx.Err(); err != nil {
		return Report{}, errors.Join(because, err)
	}
	if err := k.connect(); err != nil {
		return Report{}, errors.Join(because, err)
	}
	start := time.Now()
	k.have = nil
	rep := Report{Transaction: Replaced, Elements: want.Len(), Recovered: because}
	err := k.commit(ctx, want.Marker, func(e *encoder) { e.replace(want) }, &rep)
	if err == nil {
		err = k.read.verifyTable(want)
	}
	if err != nil {
		return Report{}, errors.Join(because, k.discard(fmt.Errorf("load table inet %s: %w", TableName, err)))
	}
	k.have = want
	rep.Commit = time.Since(start)
	return rep, nil
}

// commit sends one transaction. An error of the socket does not tell whether
// the kernel committed: then the marker, which is part of the transaction,
// does.
func (k *Kernel) commit(ctx context.Context, marker Marker, fill func(*encoder), rep *Report) error {
	e := newEncoder(k.conn)
	fill(e)
	err := e.err
	if err == nil {
		deadline := time.Now().Add(k.opts.Timeout)
		if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
			deadline = d
		}
		if err = k.sock.SetDeadline(deadline); err == nil {
			err = k.conn.Flush()
		}
	}
	if err == nil {
		return nil
	}
	// The library keeps errors and may have left answers unread.
	_ = k.discard(nil)
	if cerr := k.connect(); cerr != nil {
		return errors.Join(err, cerr)
	}
	if e.err == nil {
		standing, merr := k.read.marker()
		if merr == nil && standing == marker {
			rep.Recovered = errors.Join(rep.Recovered, fmt.Errorf("committed, although: %w", err))
			return nil
		}
	}
	return err
}

// discard drops the connections after an error.
func (k *Kernel) discard(err error) error {
	k.have = nil
	return errors.Join(err, k.Close())
}
