package smpptest

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
)

// A Dialogue is a file of what an ESME and a server say to each other. The
// package comment describes the format.
type Dialogue struct {
	Name  string
	Vars  map[string]string // what it may name from the start on
	lines []string
}

// Actions are what a dialogue's "!" lines have the test do, by name.
type Actions map[string]func(args []string) error

// ReadDialogue reads the file at path.
func ReadDialogue(path string) (*Dialogue, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return &Dialogue{Name: path, lines: strings.Split(string(text), "\n")}, nil
}

// Waits reports whether the dialogue lets time pass: it is then for fake time.
func (d *Dialogue) Waits() bool {
	for _, line := range d.lines {
		if strings.HasPrefix(line, "wait ") {
			return true
		}
	}
	return false
}

// Run plays the ESME's part on e and fails the test at the first line where the
// server does not play its own.
func (d *Dialogue) Run(t testing.TB, e *ESME, actions Actions) {
	t.Helper()
	p := &player{
		esme: e, actions: actions, vars: newVariables(d.Vars),
		sent: make(map[smpp.CommandID][]uint32), got: make(map[smpp.CommandID]uint32),
	}
	for i, line := range d.lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.play(line); err != nil {
			t.Fatalf("%s:%d: %s\n\t%v", d.Name, i+1, line, err)
		}
	}
}

// A player remembers the sequence_numbers that a dialogue leaves out, and its variables.
type player struct {
	esme    *ESME
	actions Actions
	vars    variables
	seq     uint32
	sent    map[smpp.CommandID][]uint32 // unanswered requests, by the response's command_id
	got     map[smpp.CommandID]uint32   // the server's last request, by the response's command_id
}

func (p *player) play(line string) error {
	kind, rest, _ := strings.Cut(line, " ")
	words, err := split(rest)
	if err != nil || len(words) == 0 {
		return fmt.Errorf("cannot be read: %v", err)
	}
	switch kind {
	case ">":
		return p.send(words, rest)
	case "<":
		return p.expect(words)
	case "!":
		action, ok := p.actions[words[0]]
		if !ok {
			return errors.New("no such action")
		}
		args, err := p.vars.expandAll(words[1:])
		if err != nil {
			return err
		}
		return action(args)
	case "wait":
		d, err := time.ParseDuration(words[0])
		time.Sleep(d) // in fake time: Waits keeps such dialogues off real connections
		return err
	}
	return errors.New("a line begins with >, <, ! or wait")
}

func (p *player) send(words []string, rest string) error {
	switch words[0] {
	case "raw":
		b, err := octets(strings.TrimSpace(strings.TrimPrefix(rest, "raw")))
		if err != nil {
			return err
		}
		return p.esme.write(b)
	case "close":
		return p.esme.conn.Close()
	}
	id, ok := smpp.ParseCommandID(words[0])
	if !ok {
		return errors.New("no such command")
	}
	words, err := p.vars.expandAll(words[1:])
	if err != nil {
		return err
	}
	pdu := smpp.NewPDU(id)
	h := smpp.Header{ID: id, Sequence: p.nextSeq(id)}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		if isHeader, err := setHeader(&h, name, value); isHeader || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if err := setField(pdu, name, value); err != nil {
			return err
		}
	}
	if resp, ok := id.Response(); ok {
		p.sent[resp] = append(p.sent[resp], h.Sequence)
	}
	if pdu == nil {
		return p.esme.write(smpp.AppendHeader(nil, id, h.Status, h.Sequence))
	}
	return p.esme.write(smpp.Append(nil, h.Status, h.Sequence, pdu))
}

// nextSeq is the number of what is sent without one.
func (p *player) nextSeq(id smpp.CommandID) uint32 {
	if seq, ok := p.got[id]; ok {
		return seq
	}
	p.seq++
	return p.seq
}

func (p *player) expect(words []string) error {
	h, pdu, err := p.esme.next(timeoutOf(words[0], p.esme.Timeout))
	switch {
	case words[0] == "closed":
		if isClosed(err) {
			return nil
		}
		return fmt.Errorf("got %s %v, want the end of the stream", h.ID, err)
	case words[0] == "nothing":
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		return fmt.Errorf("got %s %v, want nothing", h.ID, err)
	case err != nil:
		return fmt.Errorf("got %w", err)
	case h.ID.String() != words[0]:
		return fmt.Errorf("got %s status=%s", h.ID, h.Status)
	}
	return p.compare(h, pdu, words[1:])
}

func timeoutOf(what string, usual time.Duration) time.Duration {
	if what == "nothing" {
		return min(time.Second, usual)
	}
	return usual
}

func (p *player) compare(h smpp.Header, pdu smpp.PDU, words []string) error {
	if err := p.vars.learn(h, pdu, words); err != nil {
		return err
	}
	words, err := p.vars.expandAll(words)
	if err != nil {
		return err
	}
	want := map[string]string{"status": smpp.StatusOK.String()}
	if numbers := p.sent[h.ID]; len(numbers) > 0 {
		want["seq"] = strconv.FormatUint(uint64(numbers[0]), 10)
		p.sent[h.ID] = numbers[1:]
	}
	if resp, ok := h.ID.Response(); ok {
		p.got[resp] = h.Sequence
	}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		if have, ok := want[name]; ok && isList(name) {
			value = have + " " + value
		}
		want[name] = value
	}
	for name, value := range want {
		if err := compareField(h, pdu, name, value); err != nil {
			return err
		}
	}
	return nil
}

func compareField(h smpp.Header, pdu smpp.PDU, name, want string) error {
	if absent, ok := strings.CutPrefix(name, "!"); ok {
		got, err := Field(pdu, absent)
		switch {
		case errors.Is(err, errAbsent):
			return nil
		case err != nil:
			return err
		}
		return fmt.Errorf("got %s=%q, want none", absent, got)
	}
	got, err := fieldOf(h, pdu, name)
	if err != nil {
		return err
	}
	if !sameValue(got, want) {
		return fmt.Errorf("got %s=%q, want %q", name, got, want)
	}
	return nil
}

// fieldOf returns a field of the header or, as Field does, of the body.
func fieldOf(h smpp.Header, pdu smpp.PDU, name string) (string, error) {
	if got, ok := getHeader(h, name); ok {
		return got, nil
	}
	return Field(pdu, name)
}

func setHeader(h *smpp.Header, name, value string) (bool, error) {
	switch name {
	case "seq":
		n, err := strconv.ParseUint(value, 0, 32)
		h.Sequence = uint32(n)
		return true, err
	case "status":
		st, ok := smpp.ParseStatus(value)
		if !ok {
			return true, fmt.Errorf("no status %s", value)
		}
		h.Status = st
		return true, nil
	}
	return false, nil
}

func getHeader(h smpp.Header, name string) (string, bool) {
	switch name {
	case "seq":
		return strconv.FormatUint(uint64(h.Sequence), 10), true
	case "status":
		return h.Status.String(), true
	case "length":
		return strconv.FormatUint(uint64(h.Length), 10), true
	}
	return "", false
}

// split cuts a line into words. A word may end with a Go string, which is unquoted.
func split(s string) ([]string, error) {
	var words []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		end := strings.IndexAny(s, " \"")
		if end < 0 || s[end] == ' ' {
			if end < 0 {
				end = len(s)
			}
			words = append(words, s[:end])
			s = s[end:]
			continue
		}
		quoted, err := strconv.QuotedPrefix(s[end:])
		if err != nil {
			return nil, err
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		words = append(words, s[:end]+text)
		s = s[end+len(quoted):]
	}
	return words, nil
}
