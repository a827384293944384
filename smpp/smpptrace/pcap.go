package smpptrace

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"
)

// serverPort is the message centre's in the file, whatever it was: SMPP's registered one.
const serverPort = 2775

// The message centre's addresses in the file, and those of an ESME that has none: ones that are set aside for
// documentation (RFC 5737, RFC 3849). A session is not asked for its own.
var (
	server4 = netip.MustParseAddr("192.0.2.1")
	server6 = netip.MustParseAddr("2001:db8::1")
	nobody4 = netip.MustParseAddr("198.51.100.1")
)

const (
	pcapMagic   = 0xA1B2C3D4 // times in microseconds
	pcapSnapLen = 1 << 18
	linkTypeRaw = 101 // a packet begins with its IP header

	fileHeadLen   = 24
	packetHeadLen = 16
	tcpHeadLen    = 20
	mostSegment   = 32 << 10 // an IP packet has at most 64 KiB
	mostFlows     = 4096
)

// TCP's flags that are written.
const (
	flagSYN = 0x02
	flagPSH = 0x08
	flagACK = 0x10
)

// A flow is one session as a TCP connection.
type flow struct {
	client, server       netip.AddrPort
	clientNext, sentNext uint32 // sequence numbers of the ESME's next octet and of ours
}

// A pcap writes PDUs as TCP segments that begin with a handshake and have no gaps, so that they are
// put together again without complaint.
type pcap struct {
	w     io.Writer
	most  int64 // octets of the file
	size  int64
	flows map[uint64]*flow // by session
	isn   uint32           // of the last flow
	buf   []byte
}

func newPcap(w io.Writer, most int64) (*pcap, error) {
	p := &pcap{w: w, most: most, flows: make(map[uint64]*flow)}
	le := binary.LittleEndian
	b := le.AppendUint32(nil, pcapMagic)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	b = le.AppendUint64(b, 0)
	b = le.AppendUint32(b, pcapSnapLen)
	b = le.AppendUint32(b, linkTypeRaw)
	n, err := w.Write(b)
	p.size = int64(n)
	return p, err
}

// noteRoom is kept for the note at the end of the file.
const noteRoom = 1 << 10

// write writes one PDU. ok is false, and nothing is written, if it does not fit the file.
func (p *pcap) write(r *record, pdu []byte) (ok bool, err error) {
	f := p.flows[r.session]
	p.buf = p.buf[:0]
	if f == nil {
		f = p.open(r)
	}
	client, sent := f.clientNext, f.sentNext
	for len(pdu) > 0 {
		segment := pdu[:min(len(pdu), mostSegment)]
		pdu = pdu[len(segment):]
		if r.sent {
			p.segment(r.time(), f.server, f.client, tcp{sent, client, flagPSH | flagACK, segment})
			sent += uint32(len(segment))
		} else {
			p.segment(r.time(), f.client, f.server, tcp{client, sent, flagPSH | flagACK, segment})
			client += uint32(len(segment))
		}
	}
	if p.size+int64(len(p.buf))+noteRoom > p.most {
		return false, nil
	}
	f.clientNext, f.sentNext = client, sent
	p.flows[r.session] = f
	return true, p.flush()
}

func (p *pcap) flush() error {
	n, err := p.w.Write(p.buf)
	p.size += int64(n)
	return err
}

// open begins a session's connection with a handshake. Flows that come and go are not kept for ever: one
// that was forgotten begins again.
func (p *pcap) open(r *record) *flow {
	if len(p.flows) >= mostFlows {
		clear(p.flows)
	}
	f := &flow{client: r.remote(), server: netip.AddrPortFrom(server4, serverPort)}
	if f.client.Addr().Is6() {
		f.server = netip.AddrPortFrom(server6, serverPort)
	}
	p.isn += 0x00010001 // another one tells a new connection of the same port
	f.clientNext, f.sentNext = p.isn+1, p.isn+0x7F000001
	p.segment(r.time(), f.client, f.server, tcp{f.clientNext - 1, 0, flagSYN, nil})
	p.segment(r.time(), f.server, f.client, tcp{f.sentNext - 1, f.clientNext, flagSYN | flagACK, nil})
	p.segment(r.time(), f.client, f.server, tcp{f.clientNext, f.sentNext, flagACK, nil})
	return f
}

// note writes a line that Wireshark shows beside the PDUs, as a syslog message (RFC 5426).
func (p *pcap) note(at time.Time, line string) error {
	line = "<14>" + line
	line = line[:min(len(line), noteRoom-packetHeadLen-28)]
	here := netip.AddrPortFrom(server4, 514)
	udp := binary.BigEndian.AppendUint16(nil, here.Port())
	udp = binary.BigEndian.AppendUint16(udp, here.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(line)))
	udp = binary.BigEndian.AppendUint16(udp, 0) // no checksum, which IPv4 allows (RFC 768)
	p.buf = p.packet(p.buf[:0], at, ip{here.Addr(), here.Addr(), 17, len(udp) + len(line)})
	p.buf = append(append(p.buf, udp...), line...)
	return p.flush()
}

// tcp is what differs from segment to segment.
type tcp struct {
	seq, ack uint32
	flags    byte
	payload  []byte
}

// segment appends a packet with a TCP segment to buf.
func (p *pcap) segment(at time.Time, from, to netip.AddrPort, t tcp) {
	const protocol = 6
	be := binary.BigEndian
	length := tcpHeadLen + len(t.payload)
	b := p.packet(p.buf, at, ip{from.Addr(), to.Addr(), protocol, length})
	start := len(b)
	b = be.AppendUint16(b, from.Port())
	b = be.AppendUint16(b, to.Port())
	b = be.AppendUint32(b, t.seq)
	b = be.AppendUint32(b, t.ack)
	b = append(b, tcpHeadLen/4<<4, t.flags, 0xFF, 0xFF, 0, 0, 0, 0) // window, checksum, urgent pointer
	b = append(b, t.payload...)
	sum := sumOf(0, from.Addr().AsSlice())
	sum = sumOf(sum, to.Addr().AsSlice())
	sum = sumOf(sum+protocol+uint64(length), b[start:])
	be.PutUint16(b[start+16:], fold(sum))
	p.buf = b
}

// ip is what differs from packet to packet.
type ip struct {
	from, to netip.Addr
	protocol byte
	length   int // of what follows the header
}

// packet appends the heads of a packet: the file's and IP's.
func (p *pcap) packet(b []byte, at time.Time, h ip) []byte {
	length := h.length + 20
	if h.from.Is6() {
		length = h.length + 40
	}
	le, be := binary.LittleEndian, binary.BigEndian
	micros := at.UnixMicro()
	b = le.AppendUint32(b, uint32(micros/1e6))
	b = le.AppendUint32(b, uint32(micros%1e6))
	b = le.AppendUint32(b, uint32(length))
	b = le.AppendUint32(b, uint32(length))
	if h.from.Is6() {
		b = append(b, 6<<4, 0, 0, 0)
		b = be.AppendUint16(b, uint16(h.length))
		b = append(b, h.protocol, 64)
		b = append(b, h.from.AsSlice()...)
		return append(b, h.to.AsSlice()...)
	}
	start := len(b)
	b = append(b, 4<<4|5, 0)
	b = be.AppendUint16(b, uint16(length))
	b = append(b, 0, 0, 0x40, 0, 64, h.protocol, 0, 0) // do not fragment; checksum
	b = append(b, h.from.AsSlice()...)
	b = append(b, h.to.AsSlice()...)
	be.PutUint16(b[start+10:], fold(sumOf(0, b[start:])))
	return b
}

// sumOf adds octets to the sum of an Internet checksum (RFC 1071).
func sumOf(sum uint64, b []byte) uint64 {
	for len(b) >= 4 {
		sum += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		sum += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	return sum
}

func fold(sum uint64) uint16 {
	for sum > 0xFFFF {
		sum = sum>>16 + sum&0xFFFF
	}
	return ^uint16(sum)
}
