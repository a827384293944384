package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"
)

// kannel is Kannel as an ESME: it takes messages over HTTP and calls us back with what became of them. It shows
// the first part's message_id of a message, and no bind_resp.
type kannel struct {
	tools tools
	dir   string
}

// kannelRun is one start of Kannel's two boxes, and what its configuration needs.
type kannelRun struct {
	Job                   job
	Dir                   string
	Admin, Boxes, SendSMS int // ports

	callback string // URL for delivery reports
	events   *tracker
}

func (k kannel) play(ctx context.Context, j job, emit func(event)) error {
	dir, err := os.MkdirTemp(k.dir, "kannel-")
	if err != nil {
		return err
	}
	r := &kannelRun{Job: j, Dir: dir, events: newTracker(emit)}
	if err := freePorts(&r.Admin, &r.Boxes, &r.SendSMS); err != nil {
		return err
	}
	conf, err := r.configure()
	if err != nil {
		return err
	}
	stop, err := r.listen()
	if err != nil {
		return err
	}
	defer stop()
	bearer, err := startBox(ctx, k.tools.bearerbox, conf, r.Boxes)
	if err != nil {
		return err
	}
	defer bearer.stop()
	sms, err := startBox(ctx, k.tools.smsbox, conf, r.SendSMS)
	if err != nil {
		return err
	}
	defer sms.stop()
	if err := r.work(ctx); err != nil {
		return err
	}
	return errors.Join(sms.stop(), bearer.stop())
}

// work has Kannel bind, submit every message and report what became of it.
func (r *kannelRun) work(ctx context.Context) error {
	if err := r.online(ctx); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	for range r.Job.Binds {
		r.events.add(event{Event: eventBind})
	}
	for _, m := range r.Job.Messages {
		if err := r.send(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return r.answered(ctx)
}

// freePorts asks the kernel for ports, for a program that cannot.
func freePorts(ports ...*int) error {
	for _, p := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		*p = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

func (r *kannelRun) configure() (path string, err error) {
	text, err := files.ReadFile("clients/kannel.conf")
	if err != nil {
		return "", err
	}
	t, err := template.New("kannel.conf").Parse(string(text))
	if err != nil {
		return "", err
	}
	path = filepath.Join(r.Dir, "kannel.conf")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	return path, errors.Join(t.Execute(f, r), f.Close())
}

// listen starts the server that Kannel calls with delivery reports.
func (r *kannelRun) listen() (stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r.callback = "http://" + l.Addr().String() + "/"
	srv := &http.Server{Handler: http.HandlerFunc(r.report), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }() // ends with stop
	return func() { srv.Close() }, nil
}

// Kannel's dlr-mask: what it reports, and the type of each report.
const (
	dlrDelivered   = 1
	dlrFailed      = 2
	dlrAccepted    = 8  // a submit_sm_resp of status 0
	dlrRefused     = 16 // another submit_sm_resp
	dlrEverything  = dlrDelivered | dlrFailed | dlrAccepted | dlrRefused
	dlrParameters  = "type=%d&id=%F&answer=%A&from=%p&to=%P"
	refusedAnswers = "NACK/"
)

// report takes a delivery report.
func (r *kannelRun) report(_ http.ResponseWriter, req *http.Request) {
	q := req.URL.Query()
	kind, _ := strconv.Atoi(q.Get("type"))
	switch kind {
	case dlrAccepted:
		r.events.add(event{Event: eventResp, Name: q.Get("name"), ID: q.Get("id")})
	case dlrRefused:
		code, _, _ := strings.Cut(strings.TrimPrefix(q.Get("answer"), refusedAnswers), "/")
		status, err := strconv.ParseUint(code, 0, 32)
		if err != nil {
			status = 0xFFFFFFFF
		}
		r.events.add(event{Event: eventResp, Name: q.Get("name"), Status: uint32(status)})
	case dlrDelivered, dlrFailed:
		r.events.add(event{
			Event: eventReceipt, ESMClass: receiptClass, TLVID: q.Get("id"), TLVState: -1,
			Text: q.Get("answer"), Source: q.Get("from"), Dest: q.Get("to"),
		})
	}
}

// online waits until Kannel says that all its connections are bound.
func (r *kannelRun) online(ctx context.Context) error {
	status := fmt.Sprintf("http://127.0.0.1:%d/status.txt?password=interop", r.Admin)
	return poll(ctx, func() bool {
		body, err := get(ctx, status)
		return err == nil && strings.Count(body, "(online ") == len(r.Job.Binds)
	})
}

// send hands a message to smsbox.
func (r *kannelRun) send(ctx context.Context, m message) error {
	q := url.Values{
		"username": {"interop"}, "password": {"interop"}, "from": {r.Job.Source}, "to": {m.To},
		"charset": {"UTF-8"}, "text": {m.Text}, "coding": {"0"},
		"dlr-mask": {strconv.Itoa(dlrEverything)},
		"dlr-url":  {r.callback + "?name=" + url.QueryEscape(m.Name) + "&" + dlrParameters},
		// A TLV that other vendors give a meaning, and this account none.
		"meta-data": {"?smpp?entity_id=1101000000000000001"},
	}
	if m.Coding == "ucs2" {
		q.Set("coding", "2")
	}
	if m.Form == "flash" {
		q.Set("mclass", "0")
	}
	_, err := get(ctx, fmt.Sprintf("http://127.0.0.1:%d/cgi-bin/sendsms?%s", r.SendSMS, q.Encode()))
	return err
}

// answered waits until every message has its submit_sm_resp, and every receipt has come.
func (r *kannelRun) answered(ctx context.Context) error {
	err := poll(ctx, func() bool { return r.events.answers() >= len(r.Job.Messages) })
	if err != nil {
		return fmt.Errorf("%d of %d messages answered: %w", r.events.answers(), len(r.Job.Messages), err)
	}
	return r.events.receipts(ctx)
}

// box is one of Kannel's programs.
type box struct {
	cmd    *exec.Cmd
	ended  chan struct{} // closed when it has ended, err being how
	err    error
	ending sync.Once
}

// startBox starts a program of Kannel's and waits until it listens.
func startBox(ctx context.Context, path, conf string, port int) (*box, error) {
	b := &box{cmd: exec.CommandContext(ctx, path, "-v", "4", conf), ended: make(chan struct{})}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the program
		defer close(b.ended)
		b.err = b.cmd.Wait()
	}()
	up := false
	err := poll(ctx, func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if up = err == nil; up {
			c.Close()
		}
		select {
		case <-b.ended:
			return true
		default:
			return up
		}
	})
	if err == nil && up {
		return b, nil
	}
	return nil, fmt.Errorf("%s does not listen; why is in its log (--keep): %w", filepath.Base(path), errors.Join(err, b.stop()))
}

// stop ends it as its init script would; bearerbox unbinds.
func (b *box) stop() error {
	b.ending.Do(func() { _ = b.cmd.Process.Signal(syscall.SIGTERM) }) // an error is what Wait returned
	<-b.ended
	return b.err
}

// poll asks until it is so.
func poll(ctx context.Context, is func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// get returns the body of a page, unless it is refused.
func get(ctx context.Context, page string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", redact(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	return string(body), err
}

// redact takes the URL, which holds a text, from an error.
func redact(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
