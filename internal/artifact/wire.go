package artifact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// maxString bounds one string, in bytes. Kubernetes names have at most 253,
// paths at most 4096 (PATH_MAX).
const maxString = 8192

// writer appends the wire format's scalars to a buffer.
type writer struct{ b []byte }

func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) byte(v byte)   { w.b = append(w.b, v) }
func (w *writer) raw(p []byte)  { w.b = append(w.b, p...) }

func (w *writer) string(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

// after writes s as the number of bytes that it shares with prev, and the rest.
func (w *writer) after(prev, s string) {
	n := shared(prev, s)
	w.uint(uint64(n))
	w.string(s[n:])
}

func shared(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func (w *writer) addr(a netip.Addr) {
	if a.Is4() {
		b := a.As4()
		w.byte(4)
		w.raw(b[:])
		return
	}
	b := a.As16()
	w.byte(16)
	w.raw(b[:])
}

func ids[T ~uint32](w *writer, list []T) {
	w.uint(uint64(len(list)))
	for _, v := range list {
		w.uint(uint64(v))
	}
}

// errTruncated is the reason of a FormatError where the input ends early.
var errTruncated = errors.New("the data ends too early")

// FormatError says that bytes are not a canonical artifact of SchemaVersion.
type FormatError struct {
	Offset int    // bytes from the start of the file
	Field  string // what was being read
	Err    error
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("artifact: offset %d: %s: %v", e.Offset, e.Field, e.Err)
}

func (e *FormatError) Unwrap() error { return e.Err }

// reader consumes the wire format. The first error sticks: later reads return
// zero values, and the caller checks once.
type reader struct {
	b      []byte // whole file
	pos    int    // next byte
	end    int    // end of the current section
	field  string
	budget *int64 // bytes of memory that may still be allocated
	err    error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = &FormatError{Offset: r.pos, Field: r.field, Err: err}
	}
}

func (r *reader) failf(format string, args ...any) { r.fail(fmt.Errorf(format, args...)) }

func (r *reader) byte() byte {
	if r.err != nil {
		return 0
	}
	if r.pos >= r.end {
		r.fail(errTruncated)
		return 0
	}
	r.pos++
	return r.b[r.pos-1]
}

func (r *reader) raw(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > r.end-r.pos {
		r.fail(errTruncated)
		return nil
	}
	r.pos += n
	return r.b[r.pos-n : r.pos]
}

// uint reads a varint in its shortest form.
func (r *reader) uint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b[r.pos:r.end])
	switch {
	case n == 0:
		r.fail(errTruncated)
		return 0
	case n < 0:
		r.failf("number of more than 64 bits")
		return 0
	case n > 1 && r.b[r.pos+n-1] == 0:
		r.failf("number not in its shortest form")
		return 0
	}
	r.pos += n
	return v
}

// below reads a number less than limit.
func (r *reader) below(limit int, what string) uint32 {
	v := r.uint()
	if r.err == nil && v >= uint64(limit) {
		r.failf("%s %d, but there are only %d", what, v, limit)
		return 0
	}
	return uint32(v)
}

// count reads the number of entries of a table whose entries take at least
// size bytes on the wire and cost memory bytes each, before any is allocated.
func (r *reader) count(size, memory int) int {
	v := r.uint()
	if r.err != nil {
		return 0
	}
	if v > uint64((r.end-r.pos)/size) {
		r.failf("%d entries do not fit in the %d bytes left", v, r.end-r.pos)
		return 0
	}
	if !r.charge(int64(v) * int64(memory)) {
		return 0
	}
	return int(v)
}

func (r *reader) charge(n int64) bool {
	*r.budget -= n
	if *r.budget < 0 {
		r.failf("decoding would take more memory than the limit")
		return false
	}
	return true
}

func (r *reader) string() string {
	n := r.uint()
	if r.err == nil && n > maxString {
		r.failf("string of %d bytes; the limit is %d", n, maxString)
	}
	if r.err != nil {
		return ""
	}
	p := r.raw(int(n))
	if r.err != nil || !r.charge(int64(n)) {
		return ""
	}
	return string(p)
}

// after reads a string that writer.after wrote.
func (r *reader) after(prev string) string {
	n := r.uint()
	if r.err == nil && n > uint64(len(prev)) {
		r.failf("%d bytes shared with a string of %d", n, len(prev))
	}
	rest := r.string()
	if r.err != nil {
		return ""
	}
	if int(n)+len(rest) > maxString {
		r.failf("string of %d bytes; the limit is %d", int(n)+len(rest), maxString)
		return ""
	}
	if int(n) < len(prev) && rest != "" && prev[n] == rest[0] {
		r.failf("string shares more with the one before than it says")
		return ""
	}
	if !r.charge(int64(n)) {
		return ""
	}
	return prev[:n] + rest
}

func (r *reader) addr() netip.Addr {
	switch n := r.byte(); {
	case r.err != nil:
	case n == 4:
		if p := r.raw(4); p != nil {
			return netip.AddrFrom4([4]byte(p))
		}
	case n == 16:
		if p := r.raw(16); p != nil {
			return netip.AddrFrom16([16]byte(p))
		}
	default:
		r.failf("address of %d bytes", n)
	}
	return netip.Addr{}
}

func readIDs[T ~uint32](r *reader, limit int, what string) []T {
	n := r.count(1, 4)
	if n == 0 {
		return nil
	}
	out := make([]T, n)
	for i := range out {
		out[i] = T(r.below(limit, what))
	}
	return out
}
