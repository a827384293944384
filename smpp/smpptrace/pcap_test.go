package smpptrace

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
)

// readPcap puts the streams of a file together, by their two ends. It fails the test at a packet that is not whole,
// a checksum that is wrong, a gap, or a stream that does not begin with SYN.
func readPcap(t *testing.T, file []byte) map[string][]byte {
	t.Helper()
	le, be := binary.LittleEndian, binary.BigEndian
	if le.Uint32(file) != pcapMagic || le.Uint32(file[20:]) != linkTypeRaw {
		t.Fatal("not a pcap of IP packets")
	}
	streams, next := make(map[string][]byte), make(map[string]uint32)
	last := uint64(0)
	for b := file[fileHeadLen:]; len(b) > 0; {
		at := uint64(le.Uint32(b))*1e6 + uint64(le.Uint32(b[4:]))
		n := int(le.Uint32(b[8:]))
		if at < last || n != int(le.Uint32(b[12:])) || packetHeadLen+n > len(b) {
			t.Fatalf("a packet of %d octets at %d, behind %d", n, at, last)
		}
		last = at
		packet := b[packetHeadLen : packetHeadLen+n]
		b = b[packetHeadLen+n:]
		src, dst, protocol, payload := splitIP(t, packet)
		if protocol != 6 {
			continue // the note
		}
		pseudo := append(append([]byte(nil), src.AsSlice()...), dst.AsSlice()...)
		pseudo = be.AppendUint32(be.AppendUint32(pseudo, uint32(len(payload))), 6)
		if sum := fold(sumOf(sumOf(0, pseudo), payload)); sum != 0 {
			t.Fatalf("TCP's checksum is off by %#x", sum)
		}
		key := netip.AddrPortFrom(src, be.Uint16(payload)).String() + ">" + netip.AddrPortFrom(dst, be.Uint16(payload[2:])).String()
		seq, flags := be.Uint32(payload[4:]), payload[13]
		if flags&flagSYN != 0 {
			next[key] = seq + 1
			continue
		}
		if want, ok := next[key]; !ok || seq != want {
			t.Fatalf("sequence number %d, want %d", seq, want)
		}
		data := payload[tcpHeadLen:]
		streams[key] = append(streams[key], data...)
		next[key] += uint32(len(data))
	}
	return streams
}

func splitIP(t *testing.T, packet []byte) (src, dst netip.Addr, protocol byte, payload []byte) {
	t.Helper()
	be := binary.BigEndian
	if packet[0]>>4 == 6 {
		if int(be.Uint16(packet[4:])) != len(packet)-40 {
			t.Fatal("IPv6's length is wrong")
		}
		src, _ = netip.AddrFromSlice(packet[8:24])
		dst, _ = netip.AddrFromSlice(packet[24:40])
		return src, dst, packet[6], packet[40:]
	}
	if int(be.Uint16(packet[2:])) != len(packet) || fold(sumOf(0, packet[:20])) != 0 {
		t.Fatal("IPv4's length or checksum is wrong")
	}
	src, _ = netip.AddrFromSlice(packet[12:16])
	dst, _ = netip.AddrFromSlice(packet[16:20])
	return src, dst, packet[9], packet[20:]
}

// TestStreams: over IPv4 and IPv6 and from nowhere, in both directions, PDUs longer than a packet, more flows than
// are remembered, and a port that is used again.
func TestStreams(t *testing.T) {
	var file bytes.Buffer
	p, err := newPcap(&file, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1e9, 123456000)
	long := smpp.Append(nil, smpp.StatusOK, 1, &smpp.SubmitSM{TLVs: smpp.TLVs("").With(smpp.TagMessagePayload, strings.Repeat("x", 65535))})
	short := smpp.Append(nil, smpp.StatusOK, 1, &smpp.EnquireLink{})
	write := func(session uint64, remote string, sent bool, pdu []byte) {
		t.Helper()
		var from net.Addr
		if addr, err := netip.ParseAddrPort(remote); err == nil {
			from = net.TCPAddrFromAddrPort(addr)
		}
		r := newRecord(session, from, sent)
		r.at = at.UnixNano()
		if ok, err := p.write(&r, pdu); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	for _, remote := range []string{"203.0.113.9:40000", "[2001:db8::9%eth0]:40001", "[::ffff:203.0.113.9]:40002", ""} {
		session := p.isn + 1
		write(uint64(session), remote, false, long)
		write(uint64(session), remote, true, short)
		write(uint64(session), remote, false, short)
		write(uint64(session), remote, true, long)
	}
	for session := range uint64(mostFlows + 10) {
		write(1<<40+session, "203.0.113.10:50000", session%2 == 0, short)
	}
	if len(p.flows) > mostFlows {
		t.Errorf("%d flows are remembered", len(p.flows))
	}
	streams := readPcap(t, file.Bytes())
	both := append(append([]byte(nil), long...), short...)
	for key, want := range map[string][]byte{
		"203.0.113.9:40000>192.0.2.1:2775": both, "[2001:db8::9]:40001>[2001:db8::1]:2775": both,
		"203.0.113.9:40002>192.0.2.1:2775":       both,
		"[2001:db8::1]:2775>[2001:db8::9]:40001": append(append([]byte(nil), short...), long...),
		"203.0.113.10:50000>192.0.2.1:2775":      bytes.Repeat(short, mostFlows/2+5),
	} {
		if !bytes.Equal(streams[key], want) {
			t.Errorf("%s: %d octets, want %d", key, len(streams[key]), len(want))
		}
	}
	if len(streams) != 10 {
		t.Errorf("%d directions, want 10", len(streams))
	}
}

// TestWiresharkReadsIt: tshark, told nothing of ports, finds every PDU, nothing malformed, no gap and no wrong checksum.
func TestWiresharkReadsIt(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed (Debian: apt-get install tshark)")
	}
	for name, unmasked := range map[string]bool{"masked": false, "unmasked": true} {
		t.Run(name, func(t *testing.T) {
			s := startSystem(t)
			s.start(Filter{SystemID: "bank"}, Options{Unmasked: unmasked})
			n := 0
			for range 3 {
				n += s.everything("bank")
			}
			_, file := s.finish()
			path := filepath.Join(t.TempDir(), "trace.pcap")
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			const (
				commands = iota
				passwords
				notes
				malformed
				ipSum
				tcpSum
				analysis
				severities
			)
			got := dissected(t, tshark, path, []string{"smpp.command_id", "smpp.password", "syslog.msg", "_ws.malformed",
				"ip.checksum.status", "tcp.checksum.status", "tcp.analysis.flags", "_ws.expert.severity"})
			if len(got[commands]) != n {
				t.Errorf("%d PDUs, want %d", len(got[commands]), n)
			}
			if p := got[passwords]; len(p) != 3 || p[0] != "********" {
				t.Errorf("passwords %q", p)
			}
			if p := got[notes]; len(p) != 1 || !strings.Contains(p[0], "smppbridge trace of") {
				t.Errorf("notes %q", p)
			}
			for what, bad := range map[string]bool{
				"malformed packets":     len(got[malformed]) > 0,
				"gaps and repetitions":  len(got[analysis]) > 0,
				"wrong IP checksums":    len(got[ipSum]) == 0 || slices.Contains(got[ipSum], "0"),
				"wrong TCP checksums":   len(got[tcpSum]) == 0 || slices.Contains(got[tcpSum], "0"),
				"no notes of handshake": !slices.Contains(got[severities], chat),
				"warnings or errors":    slices.Contains(got[severities], warning) || slices.Contains(got[severities], severe),
			} {
				if bad {
					t.Errorf("tshark finds %s", what)
				}
			}
		})
	}
}

// Wireshark's severities.
const (
	chat    = "2097152"
	warning = "6291456"
	severe  = "8388608"
)

// dissected returns the values of fields that tshark finds. It is told to look into streams for SMPP first: the
// kernel may have given an ESME a port that is another protocol's.
func dissected(t *testing.T, tshark, file string, fields []string) [][]string {
	t.Helper()
	args := []string{"-r", file, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
		"-o", "tcp.try_heuristic_first:TRUE", "-T", "fields", "-E", "separator=|", "-E", "aggregator=;"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command(tshark, args...)
	cmd.Stderr = io.Discard // that root should not run it
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	values := make([][]string, len(fields))
	for line := range strings.Lines(string(out)) {
		for i, cell := range strings.SplitN(strings.TrimSpace(line), "|", len(fields)) {
			if cell != "" {
				values[i] = append(values[i], strings.Split(cell, ";")...)
			}
		}
	}
	return values
}
