package store

import (
	"fmt"
	"strconv"
)

// A Shape is a way to spell a message's number as a message_id. Each can be read back.
type Shape uint8

// The shapes. Numbers are stored: append, never reuse.
const (
	ShapeHex10 Shape = 0 // at least 10 lower-case hexadecimal digits
	ShapeHex8  Shape = 1 // 8 lower-case hexadecimal digits: the number modulo 2^32
	ShapeDec10 Shape = 2 // 10 decimal digits: the number modulo 10^10
)

// modulus is after how many numbers a spelling comes again; 0 = never.
func (s Shape) modulus() uint64 {
	switch s {
	case ShapeHex8:
		return 1 << 32
	case ShapeDec10:
		return 1e10
	}
	return 0
}

// Spell writes n.
func (s Shape) Spell(n Number) string {
	switch s {
	case ShapeHex8:
		return fmt.Sprintf("%08x", uint64(n)%s.modulus())
	case ShapeDec10:
		return fmt.Sprintf("%010d", uint64(n)%s.modulus())
	}
	return n.String()
}

// Parse reads what Spell wrote: the newest number up to latest that is spelt id.
func (s Shape) Parse(id string, latest Number) (Number, error) {
	base, digits := 16, 10
	switch s {
	case ShapeHex8:
		digits = 8
	case ShapeDec10:
		base = 10
	}
	v, err := strconv.ParseUint(id, base, 64)
	if err != nil || len(id) < digits || s != ShapeHex10 && len(id) > digits {
		return 0, fmt.Errorf("message_id of %d characters: %w", len(id), strconv.ErrSyntax)
	}
	if m := s.modulus(); m > 0 && uint64(latest) >= v {
		v += (uint64(latest) - v) / m * m
	}
	return Number(v), nil
}
