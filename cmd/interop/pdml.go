package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
)

// A node is a protocol or a field of tshark's PDML.
type node struct {
	Name   string `xml:"name,attr"`
	Show   string `xml:"show,attr"`
	Value  string `xml:"value,attr"` // octets in hexadecimal
	Fields []node `xml:"field"`
	Protos []node `xml:"proto"`
}

// walk visits n and all below it.
func (n *node) walk(visit func(*node)) {
	visit(n)
	for i := range n.Fields {
		n.Fields[i].walk(visit)
	}
	for i := range n.Protos {
		n.Protos[i].walk(visit)
	}
}

// number is a field's value as tshark shows it: decimal, or hexadecimal behind 0x.
func (n *node) number() int64 {
	v, err := strconv.ParseInt(n.Show, 0, 64)
	if err != nil {
		return -1
	}
	return v
}

// text is a field's value by its octets, without a final NUL.
func (n *node) text() string {
	b, err := hex.DecodeString(n.Value)
	if err != nil {
		return ""
	}
	return string(bytes.TrimSuffix(b, []byte{0}))
}

// dissect has tshark dissect a capture.
//
// Every port is said to be SMPP's: the capture has no other TCP, and a client's port that happens to be another
// protocol's must not mislead tshark.
func dissect(ctx context.Context, tshark, file, port string) (*wire, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, tshark, "-r", file, "-d", "tcp.port==1024-65535,smpp", "-Y", "tcp", "-T", "pdml")
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("tshark: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return readPDML(bytes.NewReader(out), port)
}

// readPDML reads what tshark made of a capture. port is the daemon's.
func readPDML(r io.Reader, port string) (*wire, error) {
	d := xml.NewDecoder(printable{r})
	w := &wire{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return w, nil
		}
		if err != nil {
			return nil, fmt.Errorf("tshark's PDML: %w", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "packet" {
			continue
		}
		var packet node
		if err := d.DecodeElement(&packet, &start); err != nil {
			return nil, fmt.Errorf("tshark's PDML: %w", err)
		}
		w.add(&packet, port)
	}
}

// printable makes of control characters, which tshark leaves in its PDML and XML does not allow, question
// marks. The values are there in hexadecimal too.
type printable struct{ r io.Reader }

func (p printable) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	for i, c := range b[:n] {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' || c >= 0x7F {
			b[i] = '?'
		}
	}
	return n, err
}
