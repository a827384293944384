package smpp

import (
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"
)

// MaxPDU is the longest PDU read: a message_payload of 64 KiB and room for all
// other fields.
const MaxPDU = 72 << 10

const (
	minReadBuffer = 2 << 10  // an idle session holds no more than this
	maxReadBuffer = 64 << 10 // a busy one reads this much at once; a longer PDU grows it for as long as it is there
)

// ErrFrame is returned by Reader.Next for a command_length that is shorter than
// a header or longer than the limit. The stream cannot be read further.
var ErrFrame = errors.New("command_length out of range")

// notSMPP is a command_length that no SMPP peer sends: the first octets of a TLS
// hello, of HTTP or of a port scan read as one at least as large.
const notSMPP = 1 << 24

// A Reader takes PDUs off a byte stream. Its buffer grows while it is filled at
// once and shrinks again when it is not, so that many idle sessions cost little.
type Reader struct {
	r     io.Reader
	max   uint32
	buf   []byte // buf[start:end] has been read from r and not returned
	start int
	end   int
	last  int // octets that the last read returned
	most  int // the buffer grows no further for what a read could return at once

	size atomic.Int64 // len(buf), for other goroutines
}

// NewReader returns a Reader of PDUs no longer than max octets.
func NewReader(r io.Reader, max int) *Reader {
	return &Reader{r: r, max: uint32(max), most: maxReadBuffer}
}

// SetMax changes the longest PDU that Next takes.
func (r *Reader) SetMax(max int) { r.max = uint32(max) }

// Buffered returns how many octets have been read that Next did not yet return.
func (r *Reader) Buffered() int { return r.end - r.start }

// readAtOnce changes how much is read at once from one that sends much.
func (r *Reader) readAtOnce(octets int) { r.most = min(octets, maxReadBuffer) }

// beyondIdle returns how many octets the buffer has beyond those that it always has. It
// may be called from any goroutine.
func (r *Reader) beyondIdle() int { return max(0, int(r.size.Load())-minReadBuffer) }

// Next returns the next PDU's header and body; body is valid until the next
// call. The error is ErrFrame with as much of the header as there is, io.EOF
// between two PDUs, io.ErrUnexpectedEOF inside one, or r's.
func (r *Reader) Next() (Header, []byte, error) {
	for {
		have := r.buf[r.start:r.end]
		if len(have) >= 4 {
			n := binary.BigEndian.Uint32(have)
			switch {
			case n < HeaderLen || n >= notSMPP:
				return Header{Length: n}, nil, ErrFrame
			case len(have) < HeaderLen: // the sequence_number is wanted for the answer
			case n > r.max:
				return parseHeader(have), nil, ErrFrame
			case uint32(len(have)) >= n:
				r.start += int(n)
				return parseHeader(have), have[HeaderLen:n:n], nil
			}
		}
		if err := r.fill(); err != nil {
			if err == io.EOF && len(have) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return Header{}, nil, err
		}
	}
}

// fill reads once, behind what is still unread.
func (r *Reader) fill() error {
	r.resize()
	n, err := r.r.Read(r.buf[r.end:])
	r.last = n
	r.end += n
	if n > 0 {
		return nil // an error that came with octets comes again without them
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// resize makes room: it moves what is unread to the front, doubles a buffer that
// the last read filled or an unfinished PDU fills, and halves one of which the
// last reads used little.
func (r *Reader) resize() {
	unread := r.end - r.start
	size := len(r.buf)
	switch {
	case size == 0:
		size = minReadBuffer
	case unread == size, r.last > 0 && r.end == size && size < r.most:
		size *= 2
	case unread == 0 && size > minReadBuffer && (r.last < size/8 || size > 2*r.most):
		size /= 2
	}
	if size != len(r.buf) {
		buf := make([]byte, size)
		copy(buf, r.buf[r.start:r.end])
		r.buf = buf
		r.size.Store(int64(size))
	} else if r.start > 0 {
		copy(r.buf, r.buf[r.start:r.end])
	}
	r.start, r.end = 0, unread
}
