package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// allResults returns an empty result of each kind, in order of kind.
func allResults() []Result {
	return []Result{
		None{}, &AcceptResult{}, &BeginResult{}, &FinishResult{}, &ReportResult{}, &FoundResult{}, &CloseResult{},
		&DeliveredResult{}, &ReplaceResult{}, &BindResult{}, &NodeUpResult{}, &PolicyResult{}, &PurgeResult{}, &PutResult{}, &IncomingResult{},
	}
}

// randomResult makes a result as Apply might.
func randomResult(rnd *rand.Rand, r Result) Result {
	v := reflect.ValueOf(r)
	if v.Kind() != reflect.Pointer {
		return r
	}
	v = reflect.New(v.Type().Elem())
	fill(rnd, v.Elem())
	some := func() int { return []int{0, 1, 5000, 1<<31 - 1}[rnd.IntN(4)] }
	switch r := v.Interface().(type) {
	case *AcceptResult:
		r.Items = make([]AcceptItem, rnd.IntN(4))
		last := Number(rnd.Uint64())
		for i := range r.Items {
			switch c := AcceptCode(1 + rnd.IntN(5)); c {
			case AcceptOK:
				last++
				r.Items[i] = AcceptItem{Code: c, Number: last}
			case AcceptDuplicate:
				r.Items[i] = AcceptItem{Code: c, Number: Number(rnd.Uint64())}
			case AcceptOverLimit:
				r.Items[i] = AcceptItem{Code: c, Limit: uint8(rnd.Uint32())}
			default:
				r.Items[i].Code = c
			}
		}
	case *BeginResult:
		r.Attempts = append([]BegunAttempt{}, r.Attempts...)
		for i := range r.Attempts {
			a := &r.Attempts[i]
			a.Members = append([]BegunMember{}, a.Members...)
			for j := range a.Members {
				a.Members[j].Limit = int8(rnd.IntN(129) - 1)
			}
			a.Limit = int8(rnd.IntN(129) - 1)
		}
	case *ReportResult:
		r.Codes = make([]ReportCode, rnd.IntN(4))
		for i := range r.Codes {
			r.Codes[i] = ReportCode(1 + rnd.IntN(4))
		}
	case *PutResult:
		r.Changed = append([]bool{}, r.Changed...)
	case *IncomingResult:
		r.Taken = append([]bool{}, r.Taken...)
	case *FinishResult:
		r.Applied, r.Late = some(), some()
	case *FoundResult:
		r.Applied = some()
	case *CloseResult:
		r.Applied = some()
	case *DeliveredResult:
		r.Applied = some()
	case *ReplaceResult:
		r.Code = ReplaceCode(1 + rnd.IntN(3))
	case *BindResult:
		r.Binds = some()
	case *PurgeResult:
		r.Messages = some()
	}
	return v.Interface().(Result)
}

func TestDecodeResultReversesEncode(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 5))
	for i, empty := range allResults() {
		if kind := EncodeResult(empty)[1]; int(kind) != i+1 {
			t.Errorf("%T has kind %d, want %d", empty, kind, i+1)
		}
		for range 300 {
			want := randomResult(rnd, empty)
			b := EncodeResult(want)
			if got, err := DecodeResult(b); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%v\n got %+v\nwant %+v", err, got, want)
			}
			if _, err := DecodeResult(append(b, 0)); !errors.Is(err, errCodec) {
				t.Fatalf("%T with an octet more: %v", want, err)
			}
			for n := range len(b) {
				if r, err := DecodeResult(b[:n]); !errors.Is(err, errCodec) || r != nil {
					t.Fatalf("%T cut at %d of %d octets: %v, %v", want, n, len(b), r, err)
				}
			}
		}
	}
	for name, b := range map[string][]byte{
		"format":      {2, resultNone},
		"kind 0":      {1, 0},
		"kind 16":     {1, 16},
		"report code": {1, resultReport, 1, 5},
		"no code":     {1, resultReport, 1, 0},
		"accept code": {1, resultAccept, 1, 6},
		"boolean":     {1, resultBind, 2, 0},
		"limit":       {1, resultBegin, 1, 0, 0, 1, 0, 0x80, 0, 0xff, 0},
		"call limit":  {1, resultBegin, 1, 0, 0, 0, 0x80, 0},
		"count":       {1, resultReport, 0xff, 0xff, 0xff, 0xff, 0x0f},
	} {
		if r, err := DecodeResult(b); !errors.Is(err, errCodec) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// TestGoldenResults guards the format that nodes of two programs answer each other in.
func TestGoldenResults(t *testing.T) {
	var lines []string
	for i, r := range allResults() {
		rnd := rand.New(rand.NewPCG(uint64(i), 6))
		for j := range 2 {
			r := randomResult(rnd, r)
			lines = append(lines, fmt.Sprintf("%T %d %s", r, j, hex.EncodeToString(EncodeResult(r))))
		}
	}
	golden(t, "results.golden", lines)
	for _, line := range lines {
		b, err := hex.DecodeString(line[strings.LastIndexByte(line, ' ')+1:])
		if err != nil {
			t.Fatal(err)
		}
		if r, err := DecodeResult(b); err != nil || string(EncodeResult(r)) != string(b) {
			t.Errorf("%s: decoded and encoded again it is another: %v", line, err)
		}
	}
}

// TestResultsOfApplyTravel: whatever Apply answers, the node that asked reads the same.
func TestResultsOfApplyTravel(t *testing.T) {
	h := newHarness(t)
	d := &driver{h: h, rnd: rand.New(rand.NewPCG(9, 9)), inc: 1}
	for range 500 {
		want := h.apply(d.next())
		if got, err := DecodeResult(EncodeResult(want)); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, got, want)
		}
	}
}

// FuzzDecodeResult: no octets make DecodeResult panic, and what it accepts is what EncodeResult writes.
func FuzzDecodeResult(f *testing.F) {
	rnd := rand.New(rand.NewPCG(4, 5))
	for _, r := range allResults() {
		for range 3 {
			f.Add(EncodeResult(randomResult(rnd, r)))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeResult(b)
		if err != nil {
			return
		}
		if again := EncodeResult(r); string(again) != string(b) {
			t.Fatalf("%T: decoded from\n%x, encoded as\n%x", r, b, again)
		}
	})
}
