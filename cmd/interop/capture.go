package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// capture is a running dumpcap on the loopback interface, at the daemon's port. It is known to run, and to have
// written everything, by datagrams that it must have caught: they are sent until they are in the file.
type capture struct {
	cmd   *exec.Cmd
	said  bytes.Buffer // what it said; read after it ended
	tools tools
	addr  string // the daemon's
	file  string
}

func startCapture(ctx context.Context, t tools, addr, file string) (*capture, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	c := &capture{tools: t, addr: addr, file: file}
	c.cmd = exec.CommandContext(ctx, t.dumpcap, "-q", "-i", "lo", "-f", "tcp port "+port+" or udp port "+port, "-w", file)
	c.cmd.Stderr = &c.said
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := c.mark(ctx, "smppbridge interop: the capture runs"); err != nil {
		c.kill()
		return nil, fmt.Errorf("%w: capture on lo (root may, or the members of group wireshark): %w: %s",
			errNoPlace, err, strings.TrimSpace(c.said.String()))
	}
	return c, nil
}

// mark sends a datagram until it is in the file.
func (c *capture) mark(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := net.Dial("udp", c.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	return poll(ctx, func() bool {
		_, _ = conn.Write([]byte(text)) // nobody listens there: an error is what the last one met
		b, err := os.ReadFile(c.file)
		return err == nil && bytes.Contains(b, []byte(text))
	})
}

// kill ends the capture, if finish has not.
func (c *capture) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

// received is where dumpcap says how many packets it lost.
var received = regexp.MustCompile(`Packets received/dropped on interface 'Loopback: lo': (\d+)/(\d+)`)

// finish ends the capture and dissects it.
func (c *capture) finish(ctx context.Context) (*wire, error) {
	if err := c.mark(ctx, "smppbridge interop: the capture ends"); err != nil {
		return nil, fmt.Errorf("end of the capture: %w", err)
	}
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return nil, err
	}
	if err := c.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("dumpcap: %w", err)
	}
	n := received.FindSubmatch(c.said.Bytes())
	switch {
	case n == nil:
		return nil, errors.New("dumpcap did not say what it received")
	case string(n[2]) != "0":
		return nil, fmt.Errorf("dumpcap dropped %s packets", n[2])
	}
	_, port, _ := net.SplitHostPort(c.addr)
	return dissect(ctx, c.tools.tshark, c.file, port)
}
