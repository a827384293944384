package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// clientLimit is how long one client may take for its whole part: a run in which all hang still ends in its time.
const clientLimit = 45 * time.Second

// run plays every client against a daemon of its own while the wire is captured, then looks at the wire.
func run(ctx context.Context, o options, t tools) (err error) {
	dir, cleanup, err := runDirectory(o.keep)
	if err != nil {
		return err
	}
	defer cleanup()
	d, err := startDaemon(ctx, o.daemon, dir)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := d.stop(); err == nil {
			err = stopErr
		}
	}()
	c, err := startCapture(ctx, t, d.smpp, filepath.Join(dir, "run.pcapng"))
	if err != nil {
		return err
	}
	defer c.kill()
	var r report
	var records []record
	for i, cl := range clients(t, dir) {
		if strings.Contains(cl.name, o.only) {
			records = append(records, r.play(ctx, cl, d, i))
		}
	}
	if len(records) == 0 {
		return fmt.Errorf("no client's name contains %q", o.only)
	}
	r.check("daemon", "log without texts, numbers and passwords", d.checkLog(records))
	w, err := c.finish(ctx)
	if err != nil {
		return err
	}
	w.check(&r, records)
	fmt.Printf("\n%d checks, %d of them failed\n", r.passed+r.failed, r.failed)
	return r.verdict()
}

// runDirectory is where a run keeps its files.
func runDirectory(keep string) (dir string, cleanup func(), err error) {
	if keep != "" {
		return keep, func() {}, os.MkdirAll(keep, 0o700)
	}
	dir, err = os.MkdirTemp("", "smppbridge-interop-")
	return dir, func() { os.RemoveAll(dir) }, err
}

// A client is an ESME of others, bound in one way.
type client struct {
	name  string
	binds []string          // transmitter and receiver, or transceiver; the first submits
	skips map[string]string // messages it cannot send, by name, and why
	// coarse is a client that shows a message, not its parts and not its bind_resp.
	coarse   bool
	operates bool   // does the operations besides submit_sm
	version  string // interface_version in hexadecimal, where the client lets one choose
	play     func(ctx context.Context, j job, emit func(event)) error
}

// clients are all that take part. They share the account, and so its receipts: one runs after the other.
func clients(t tools, dir string) []client {
	trx, pair := []string{"transceiver"}, []string{"transmitter", "receiver"}
	kannelSkips := map[string]string{
		"auto": noDetection, "auto GSM": noDetection,
		"latin-1": "its alt-charset would be for all messages",
		"payload": "it always cuts long texts",
	}
	perlSkips := map[string]string{"auto": noDetection, "auto GSM": noDetection}
	goSkips := map[string]string{
		"auto": noDetection, "auto GSM": noDetection, "flash": noClasses, "flash UCS-2": noClasses,
	}
	k, node, perl := kannel{tools: t, dir: dir}, scripted(t.node, "npm_smpp.js", dir, t.nodePath()), scripted(t.perl, "net_smpp.pl", dir, "")
	return []client{
		{name: "Kannel transceiver", binds: trx, version: "34", skips: kannelSkips, coarse: true, play: k.play},
		{name: "Kannel 3.3 transmitter and receiver", binds: pair, version: "33", skips: kannelSkips, coarse: true, play: k.play},
		{name: "npm smpp transceiver", binds: trx, operates: true, play: node},
		{name: "npm smpp transmitter and receiver", binds: pair, operates: true, play: node},
		{name: "Net::SMPP transceiver", binds: trx, version: "34", skips: perlSkips, operates: true, play: perl},
		{name: "Net::SMPP 5.0 transmitter and receiver", binds: pair, version: "50", skips: perlSkips, operates: true, play: perl},
		{name: "gosmpp transceiver", binds: trx, skips: goSkips, play: playGosmpp},
		{name: "gosmpp transmitter and receiver", binds: pair, skips: goSkips, play: playGosmpp},
		{name: "go-smpp transceiver", binds: trx, skips: goSkips, play: playGoSMPP},
		{name: "go-smpp transmitter and receiver", binds: pair, skips: goSkips, play: playGoSMPP},
	}
}

// Why several clients leave something out.
const (
	noDetection = "its user names the coding"
	noClasses   = "its user cannot choose data_coding"
)

// A record is what one client was asked to do, and what it saw.
type record struct {
	client   client
	messages []message
	operands operands
	events   []event
}

// play runs one client and checks what it saw.
func (r *report) play(ctx context.Context, c client, d *daemon, n int) record {
	ctx, cancel := context.WithTimeout(ctx, clientLimit)
	defer cancel()
	rec := record{client: c, messages: messagesFor(c, n), operands: operandsFor(n)}
	began := time.Now()
	events := new(eventLog)
	err := c.play(ctx, d.job(rec), events.add)
	rec.events = events.all()
	r.check(c.name, fmt.Sprintf("came to its end (%.1fs)", time.Since(began).Seconds()), err)
	sent, err := d.executed(ctx)
	if err != nil {
		r.check(c.name, "ledger", err)
		return rec
	}
	r.checkBinds(rec)
	for _, m := range rec.messages {
		r.check(c.name, m.Name, rec.checkMessage(m, sent[m.To]))
	}
	r.checkOperations(rec, sent)
	return rec
}

// report prints one line per client and check, and counts.
type report struct{ passed, failed int }

func (r *report) check(client, what string, err error) {
	if err != nil {
		r.failed++
		fmt.Printf("FAIL  %-40s %s: %v\n", client, what, err)
		return
	}
	r.passed++
	fmt.Printf("ok    %-40s %s\n", client, what)
}

// verdict is an error unless something was checked and all of it passed.
func (r *report) verdict() error {
	if r.failed > 0 || r.passed == 0 {
		return fmt.Errorf("%d of %d checks", r.failed, r.passed+r.failed)
	}
	return nil
}
