package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files; a changed line is a changed format")

func TestKindsAreListed(t *testing.T) {
	for i, c := range allCommands() {
		if int(c.kind()) != i+1 {
			t.Errorf("%T has kind %d, want %d", c, c.kind(), i+1)
		}
	}
}

func TestDecodeReversesEncode(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, empty := range allCommands() {
		for range 300 {
			want := randomCommand(rnd, reflect.New(reflect.TypeOf(empty).Elem()).Interface().(Command))
			at := rnd.Int64N(maxTime + 1)
			gotAt, got, err := Decode(Encode(at, want))
			if err != nil || gotAt != at || !reflect.DeepEqual(got, want) {
				t.Fatalf("%v\n got %+v\nwant %+v", err, got, want)
			}
		}
	}
}

// TestDecodeIsStrict: a prefix, an octet more, and a number in a longer form are refused.
func TestDecodeIsStrict(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	for _, empty := range allCommands() {
		for range 20 {
			b := Encode(t0, randomCommand(rnd, reflect.New(reflect.TypeOf(empty).Elem()).Interface().(Command)))
			if _, _, err := Decode(append(b, 0)); !errors.Is(err, errCodec) {
				t.Fatalf("%T with an octet more: %v", empty, err)
			}
			for n := range len(b) {
				if _, _, err := Decode(b[:n]); !errors.Is(err, errCodec) {
					t.Fatalf("%T cut at %d of %d octets: %v", empty, n, len(b), err)
				}
			}
		}
	}
	bad := map[string][]byte{
		"format":          {2, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"kind 0":          {1, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"kind 23":         {1, 23, 0, 0, 0, 0, 0, 0, 0, 0},
		"time":            {1, 8, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"overlong number": {1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0},
		"boolean":         {1, 13, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 0, 0},
		"count":           {1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 3},
		"outcome kind":    {1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 5, 0, 0, 0, 0, 0},
		"charge set":      {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0},
	}
	apart := Encode(t0, &Begin{
		Charges:  [][]Charge{{{Key: "k"}}, {{Key: "j"}}},
		Attempts: []BeginAttempt{{Charges: 0, Members: []BeginMember{{Charges: 1}}}},
	})
	bad["key of a call and its member"] = bytes.Replace(apart, []byte("j"), []byte("k"), 1)
	for name, b := range bad {
		if _, c, err := Decode(b); !errors.Is(err, errCodec) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// TestEncodeKeepsPoisonOut: what is out of range is brought into it, because an entry that cannot
// be decoded would stop every node; what only a mistake in the program produces panics.
func TestEncodeKeepsPoisonOut(t *testing.T) {
	long := strings.Repeat("x", maxString+1)
	for _, c := range []Command{
		&Finish{Outcomes: []Outcome{{Kind: OutcomeRejected, Err: "123456789", DueAt: -5, BizID: long}}},
		&Report{Reports: []DeliveryReport{{Err: "123456789", DoneAt: maxTime + 1, Phone: long}}},
		&Close{Items: []CloseItem{{Err: "123456789"}}},
		&Accept{Messages: []Submission{{Charges: -1, Message: Message{Account: long, SendAt: -1, Expires: -1, Text: strings.Repeat("x", maxSubmitted+1)}}}},
		&Accept{Charges: [][]Charge{{{Key: long, Rules: []Rule{{Kind: RuleWindow, Period: -1, Offset: -1 << 62, Guard: 1 << 62}}}}}},
		&Lead{DueAt: -1},
	} {
		if _, got, err := Decode(Encode(-1, c)); err != nil {
			t.Errorf("%T: %v", c, err)
		} else if _, _, err := Decode(Encode(0, got)); err != nil {
			t.Errorf("%T again: %v", c, err)
		}
	}
	phone := PhoneKeyPrefix + "1"
	for name, c := range map[string]Command{
		"charge set that is not there": &Accept{Messages: []Submission{{Charges: 0}}},
		"charge set -2":                &Begin{Attempts: []BeginAttempt{{Members: []BeginMember{{Charges: -2}}}}},
		"rule without kind":            &Accept{Charges: [][]Charge{{{Key: "k", Rules: []Rule{{}}}}}},
		"bucket on a phone":            &Begin{Charges: [][]Charge{{{Key: phone, Rules: []Rule{{Kind: RuleBucket}}}}}},
		"key twice in a set":           &Begin{Charges: [][]Charge{{{Key: "k"}, {Key: "k"}}}},
		"call set that is not there":   &Begin{Attempts: []BeginAttempt{{Charges: 0}}},
		"key of a call and its member": &Begin{
			Charges:  [][]Charge{{{Key: "a"}, {Key: "k"}}, {{Key: "k"}}},
			Attempts: []BeginAttempt{{Charges: 0, Members: []BeginMember{{Charges: -1}, {Charges: 1}}}},
		},
		"outcome without kind": &Finish{Outcomes: []Outcome{{}}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: Encode did not panic", name)
				}
			}()
			Encode(t0, c)
		}()
	}
}

// TestViewAgreesWithMessage: what Apply reads of a message without decoding it, and what is left
// of it when its texts are erased.
func TestViewAgreesWithMessage(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 2000 {
		var m Message
		fill(rnd, reflect.ValueOf(&m).Elem())
		code := m.Code
		m.Code = ""
		raw := appendMessage(nil, &m)
		v, err := viewMessage(raw)
		if err != nil {
			t.Fatalf("%v: %+v", err, m)
		}
		if string(v.account) != m.Account || v.policy != m.PolicyVersion || v.segment != m.Segment || v.sendAt != m.SendAt || v.expires != m.Expires {
			t.Fatalf("view %+v of %+v", v, m)
		}
		final := m
		final.Code = code
		for _, erase := range []bool{false, true} {
			b, err := finished(nil, raw, &v, erase, code)
			if err != nil {
				t.Fatal(err)
			}
			if erase {
				final.Text, final.Params = "", ""
			}
			got, err := decodeMessage(b)
			if err != nil || !reflect.DeepEqual(got, final) || string(b) != string(appendMessage(nil, &final)) {
				t.Fatalf("final: %v\n got %+v\nwant %+v", err, got, final)
			}
			if code == "" {
				continue
			}
			if _, err := viewMessage(b); !errors.Is(err, errCodec) {
				t.Fatalf("accepted with a code: %v", err)
			}
			if _, err := decodeAccepted(b); !errors.Is(err, errCodec) {
				t.Fatalf("accepted with a code: %v", err)
			}
		}
		for n := range len(raw) {
			_, err1 := viewMessage(raw[:n])
			_, err2 := decodeMessage(raw[:n])
			if err1 == nil || err2 == nil {
				t.Fatalf("cut at %d: %v, %v", n, err1, err2)
			}
		}
	}
}

// golden compares lines of name and octets with a file.
func golden(t *testing.T, name string, got []string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	text := strings.Join(got, "\n") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text == string(want) {
		return
	}
	lines := strings.Split(string(want), "\n")
	for i, line := range got {
		if i >= len(lines) || line != lines[i] {
			t.Errorf("%s, line %d: the format has changed\n got %s", name, i+1, line)
		}
	}
	if len(got) < len(lines)-1 {
		t.Errorf("%s: %d lines, want %d", name, len(got), len(lines)-1)
	}
}

// TestGoldenCommands guards the format of log entries. Old lines must never change.
func TestGoldenCommands(t *testing.T) {
	var lines []string
	for _, c := range allCommands() {
		rnd := rand.New(rand.NewPCG(uint64(c.kind()), 1))
		for i := range 2 {
			c := randomCommand(rnd, c)
			lines = append(lines, fmt.Sprintf("%T %d %s", c, i, hex.EncodeToString(Encode(t0, c))))
		}
	}
	golden(t, "commands.golden", lines)
	for _, line := range lines {
		b, err := hex.DecodeString(line[strings.LastIndexByte(line, ' ')+1:])
		if err != nil {
			t.Fatal(err)
		}
		if at, c, err := Decode(b); err != nil || string(Encode(at, c)) != string(b) {
			t.Errorf("%s: decoded and encoded again it is another: %v", line, err)
		}
	}
}

// TestGoldenRecords guards the format of the file.
func TestGoldenRecords(t *testing.T) {
	var m Message
	var st Status
	var r Receipt
	var d DeliveryReport
	var p Policy
	var b Bind
	for i, v := range []any{&m, &r, &d, &p, &b} {
		fill(rand.New(rand.NewPCG(uint64(i), 2)), reflect.ValueOf(v).Elem()) // each its own: a new field changes one line
	}
	r.Incoming, r.Text = false, ""
	heard := Receipt{
		Seq: 7, Account: "shop", Incoming: true, Text: "退订", Source: Address{1, 1, "8613800000000"}, Dest: Address{5, 0, "10690000"},
		ServiceType: "CMT", AcceptedAt: t0, QueuedAt: t0 + 1,
	}
	full := message("shop")
	full.Wants, full.Urgent, full.Preferred, full.OneReceipt, full.Grouped, full.Shape, full.KeepText = WantsFailure, true, true, true, true, ShapeDec10, true
	full.PolicyVersion, full.SendAt, full.Expires, full.AnswerBy, full.DedupeFor = 1, t0+1, t0+2, t0+3, 4
	full.Digest, full.Echo, full.Segment, full.Parts = [16]byte{15: 1}, "\x02\x04\x00\x02\x00\x01", Segment{Ref: 1, Total: 2, Seq: 1}, []Number{7, 8}
	full.Code = "DELIVERED"
	st = Status{
		State: StateRetry, Revision: 9, Attempt: 3, Tries: 2, Ending: EndUnknown, Err: "099", Counted: true, Action: ActionSend, Whole: 4,
		Receipt: 5, Refused: true, Alone: true, Booked: true, AcceptedAt: t0, ChangedAt: t0 + 1, DueAt: t0 + 2, DoneAt: t0 + 3,
	}
	a := attemptRecord{epoch: 1, begun: t0, route: "main", template: "SMS_1", bizID: "b^0", members: []memberRecord{{1, "13800000000", 3, 2, 7}, {2, "13900000000", 0, 0, 0}}}
	met := &meter{}
	tx := &txn{machine: &machine{}, at: t0}
	met.add(tx, &Charge{Amount: 1, Rules: []Rule{
		{Kind: RuleBucket, Limit: 3, Burst: 9, Period: 777}, {Kind: RuleWindow, Limit: 100, Period: 60_000, Offset: utc8, Guard: 1000},
		{Kind: RuleRolling, Limit: 100, Period: 60_000}, {Kind: RuleLevel, Limit: 100},
	}})
	result := &AcceptResult{Items: []AcceptItem{{Code: AcceptOK, Number: 300}, {Code: AcceptOverLimit, Limit: 2}, {Code: AcceptOK, Number: 301}, {Code: AcceptDuplicate, Number: 12}}}
	mt := meta{clusterVersion: 1, epoch: 2, index: 3, term: 4, clock: t0, nextNumber: 5, lineage: Lineage{1, 15: 2}, states: [stateCount]uint64{0, 1, 2}}
	records := []struct {
		name string
		b    []byte
	}{
		{"message", appendMessage(nil, &m)}, {"status", appendStatus(nil, &st)}, {"attempt", a.encode(nil)},
		{"receipt", appendReceipt(nil, &r)}, {"orphan", appendOrphan(nil, &d, t0)}, {"policy", appendPolicy(nil, &p)},
		{"bind", appendBind(nil, &b)}, {"meter", met.encode(nil)}, {"result", appendAcceptResult(nil, result)}, {"meta", mt.encode(nil)},
		{"key due", dueKey(ActionReport, "shop", t0, 7)}, {"key send", sendKey(t0, 7)}, {"key outbox", outboxKey("shop", 7)},
		{"key token", tokenKey("n1", 7, 8)}, {"key bind", bindKey(b.key())}, {"key parts", partsKey(&m, 7)},
		{"message with all fields", appendMessage(nil, &full)}, {"key member", memberKey(7)}, {"key head", headKey(7)}, {"key recent", recentKey(t0, 7)},
		{"key due of an account", dueKey(ActionUrgent, "shop", t0, 7)},
		{"incoming", appendReceipt(nil, &heard)}, {"record", appendRecord(nil, t0, []byte("{}"))}, {"key record", recordKey("optout", "shop\x00138")},
	}
	var lines []string
	for _, r := range records {
		lines = append(lines, r.name+" "+hex.EncodeToString(r.b))
	}
	golden(t, "records.golden", lines)

	if got, err := decodeMessage(appendMessage(nil, &full)); err != nil || !reflect.DeepEqual(got, full) {
		t.Errorf("message: %+v, %v", got, err)
	}
	back, err := decodeStatus(records[1].b)
	if err != nil || back != st {
		t.Errorf("status: %+v, %v", back, err)
	}
	if got, err := decodeAttempt(records[2].b); err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("attempt: %+v, %v", got, err)
	}
	if got, err := decodeReceipt(r.Account, r.Seq, records[3].b); err != nil || got != r {
		t.Errorf("receipt: %+v, %v", got, err)
	}
	if got, err := decodeReceipt("shop", 7, appendReceipt(nil, &heard)); err != nil || got != heard {
		t.Errorf("incoming: %+v, %v", got, err)
	}
	if got, err := decodeRecord(recordKey("optout", "shop\x00138"), appendRecord(nil, t0, []byte("{}"))); err != nil || !reflect.DeepEqual(got, Record{"optout", "shop\x00138", []byte("{}"), t0}) {
		t.Errorf("record: %+v, %v", got, err)
	}
	if got, at, err := decodeOrphan(records[4].b); err != nil || got != d || at != t0 {
		t.Errorf("orphan: %+v, %v", got, err)
	}
	if got, err := decodePolicy(p.Version, records[5].b); err != nil || got.At != p.At || string(got.Doc) != string(p.Doc) {
		t.Errorf("policy: %+v, %v", got, err)
	}
	if got, err := decodeBind(records[6].b); err != nil || got != b {
		t.Errorf("bind: %+v, %v", got, err)
	}
	if got, err := decodeAcceptResult(records[8].b); err != nil || !reflect.DeepEqual(got, result) {
		t.Errorf("result: %+v, %v", got, err)
	}
	if got, err := decodeMeta(records[9].b); err != nil || got != mt {
		t.Errorf("meta: %+v, %v", got, err)
	}
}

// FuzzDecode: no octets make Decode panic, and what it accepts is what Encode writes.
func FuzzDecode(f *testing.F) {
	rnd := rand.New(rand.NewPCG(4, 4))
	for _, c := range allCommands() {
		for range 3 {
			f.Add(Encode(t0, randomCommand(rnd, c)))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		at, c, err := Decode(b)
		if err != nil {
			return
		}
		if again := Encode(at, c); string(again) != string(b) {
			t.Fatalf("%T: decoded from\n%x, encoded as\n%x", c, b, again)
		}
	})
}
