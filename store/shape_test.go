package store

import (
	"errors"
	"strconv"
	"testing"
)

func TestShapes(t *testing.T) {
	tests := []struct {
		shape  Shape
		n      Number
		want   string
		latest Number
	}{
		{ShapeHex10, 0xabc, "0000000abc", 0xabc},
		{ShapeHex10, 1 << 44, "100000000000", 1 << 44},
		{ShapeHex8, 0xabc, "00000abc", 0xabc},
		{ShapeHex8, 3<<32 + 0xabc, "00000abc", 3<<32 + 0xabc},
		{ShapeHex8, 3<<32 + 0xabc, "00000abc", 4<<32 + 0xabb}, // the next with it is to come
		{ShapeHex8, 1<<32 - 1, "ffffffff", 1<<32 - 1},
		{ShapeDec10, 42, "0000000042", 1e10 + 41},
		{ShapeDec10, 2e10 + 42, "0000000042", 2e10 + 42},
	}
	for _, tt := range tests {
		if got := tt.shape.Spell(tt.n); got != tt.want {
			t.Errorf("shape %d spells %d as %s, want %s", tt.shape, tt.n, got, tt.want)
		}
		if got, err := tt.shape.Parse(tt.want, tt.latest); err != nil || got != tt.n {
			t.Errorf("shape %d reads %s up to %d as %d, want %d: %v", tt.shape, tt.want, tt.latest, got, tt.n, err)
		}
	}
	for shape, bad := range map[Shape][]string{
		ShapeHex10: {"", "abc", "000000000", "00000000xy", "+000000001", "fffffffffffffffff"},
		ShapeHex8:  {"", "1234567", "123456789", "0x123456", "0000000g"},
		ShapeDec10: {"", "123456789", "12345678901", "-123456789", "000000000a"},
	} {
		for _, id := range bad {
			if n, err := shape.Parse(id, 1<<40); !errors.Is(err, strconv.ErrSyntax) {
				t.Errorf("shape %d reads %q as %d, %v", shape, id, n, err)
			}
		}
	}
}

// TestIdInUseIsNotGiven: a short message_id names one message, also when there were more messages
// than it has spellings.
func TestIdInUseIsNotGiven(t *testing.T) {
	for _, shape := range []Shape{ShapeHex8, ShapeDec10} {
		m := message("shop")
		m.Shape = shape
		h := newHarness(t)
		h.accept(m, m, m, m, m) // 1 to 5
		group := multi("1", "2")
		group[0].Shape, group[1].Shape = shape, shape
		h.accept(group...) // 6 and 7
		h.machine.meta.nextNumber = 10
		h.accept(m) // 11
		h.machine.meta.nextNumber = 12
		h.accept(m) // 13
		for _, n := range []Number{2, 6} {
			h.reject(n)
		}
		h.apply(&Delivered{Account: "shop", Seqs: []uint64{1, 2}})
		h.now += 10
		h.apply(&Purge{Before: h.now}) // 2, and 6, whose message_id 7 goes by
		mod := shape.modulus()
		h.machine.meta.nextNumber = 3*mod - 1
		var got []uint64
		for range 4 {
			got = append(got, uint64(h.accept(m)[0])-3*mod)
		}
		parts := []Message{part(1, 2, 1, "a"), part(1, 2, 2, "b")}
		for i := range parts {
			parts[i].Shape = shape
			got = append(got, uint64(h.accept(parts[i])[0])-3*mod)
		}
		whole := h.status(Number(3*mod + got[5])).Whole
		got = append(got, uint64(whole)-3*mod)
		for i, want := range []uint64{0, 2, 8, 9, 10, 12, 14} { // 1, 3 to 7, 11 and 13 are in use
			if got[i] != want {
				t.Errorf("shape %d: numbers %v behind the third round, want %d at %d", shape, got, want, i)
			}
		}
		if shape.Spell(Number(3*mod+2)) != shape.Spell(2) {
			t.Error("not a spelling that had been used")
		}
		h.machine.meta.nextNumber = 4 * mod
		if n := h.accept(message("shop"))[0]; n != Number(4*mod+1) {
			t.Errorf("a long message_id was left out: %d", n)
		}
	}
}
