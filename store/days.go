package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// A DayCount counts the messages that were sent in a day of UTC+8 by a route with a template, as far as is known: by
// the attempt that sent them, whenever it became known what became of them.
type DayCount struct {
	Day      string // yyyymmdd
	Route    string // "": a Recover does not know the call
	Template string // BeginAttempt.Template

	Sent      uint64 // the API accepted them
	Segments  uint64 // BeginMember.Segments of those
	Delivered uint64 // of Sent, as the next two; of the others the end is not known yet
	Failed    uint64
	Unknown   uint64

	// Uncertain ones may have been sent, and were given up without being known. They are not in Sent; nor is
	// what a late report showed to have been sent twice.
	Uncertain uint64
}

// keptDays is for how long days are counted, in ms.
const keptDays = 40 * 24 * 3600 * 1000

// zone is UTC+8, in ms.
const zone = 8 * 3600 * 1000

// dayName is the day of UTC+8 at a time.
func dayName(ms int64) string { return time.UnixMilli(ms + zone).UTC().Format("20060102") }

// A dayKey names the counts of a day; day is its number.
type dayKey struct {
	day             int64
	route, template string
}

// A dayCount is a DayCount in memory, as it will be written.
type dayCount struct {
	dayKey
	DayCount
	dirty bool // changed since it was written
}

func (c *dayCount) fileKey() []byte {
	k := append(make([]byte, 0, len(c.Day)+6+len(c.Route)+len(c.Template)), c.Day...)
	return appendString(appendString(k, c.Route, maxString), c.Template, maxString)
}

// numbers lists what is counted, in the order of the record.
func (c *DayCount) numbers() [6]*uint64 {
	return [...]*uint64{&c.Sent, &c.Segments, &c.Delivered, &c.Failed, &c.Unknown, &c.Uncertain}
}

func (c *DayCount) encode(b []byte) []byte {
	for _, n := range c.numbers() {
		b = binary.AppendUvarint(b, *n)
	}
	return b
}

func decodeDay(k, v []byte) (DayCount, error) {
	key, d := decoder{b: k}, decoder{b: v}
	c := DayCount{Day: string(key.take(8)), Route: key.string(maxString), Template: key.string(maxString)}
	for _, n := range c.numbers() {
		*n = d.uvarint()
	}
	return c, cmp.Or(key.end(), d.end())
}

// day returns the counts that an attempt's messages are of, to be changed.
func (t *txn) day(a *attemptRecord) *dayCount {
	k := dayKey{day: (a.begun + zone) / (24 * 3600 * 1000), route: a.route, template: a.template}
	c := t.lastDay
	if c == nil || c.dayKey != k { // mostly it is the last one's
		c = t.days[k]
	}
	if c == nil {
		k.route, k.template = strings.Clone(k.route), strings.Clone(k.template)
		c = &dayCount{dayKey: k, DayCount: DayCount{Day: dayName(a.begun), Route: k.route, Template: k.template}}
		t.days[k] = c
	}
	if t.lastDay = c; !c.dirty {
		c.dirty = true
		t.dirtyDays = append(t.dirtyDays, c)
	}
	return c
}

// book counts a message that the API accepted, once for its attempt.
func (t *txn) book(a *attemptRecord, m *memberRecord, s *Status) {
	if s.Booked {
		return
	}
	s.Booked = true
	c := t.day(a)
	c.Sent++
	c.Segments += uint64(m.segments)
}

// unbook undoes book: the message surely was not sent, whatever was thought. A day that was forgotten meanwhile has
// nothing to undo.
func (t *txn) unbook(a *attemptRecord, m *memberRecord, s *Status) {
	if !s.Booked {
		return
	}
	s.Booked = false
	c := t.day(a)
	c.Sent -= min(c.Sent, 1)
	c.Segments -= min(c.Segments, uint64(m.segments))
}

// bookEnd counts what became of a message whose attempt is a: one that was accepted, or is given up without being
// known.
func (t *txn) bookEnd(a *attemptRecord, was *Status, e *end) {
	switch {
	case e.attempt == nil && !was.Booked:
		if was.State == StateUncertain && !e.answers {
			t.day(a).Uncertain++
		}
	case e.ending == EndDelivered:
		t.day(a).Delivered++
	case e.ending == EndUnknown:
		t.day(a).Unknown++
	default:
		t.day(a).Failed++
	}
}

// flushDays writes the days that have changed, once for all entries, as meters are.
func (t *txn) flushDays() {
	for _, c := range t.dirtyDays {
		c.dirty = false
		t.set(bktDays, c.fileKey(), c.encode(nil))
	}
	t.dirtyDays = t.dirtyDays[:0]
}

// purgeDays forgets the days that are not counted any more. What they have in memory is written first, so that the same is
// deleted however Raft grouped the entries.
func (t *txn) purgeDays(looks int) (more bool) {
	t.flushDays()
	oldest := dayName(t.meta.clock - keptDays)
	return t.purgeFront(bktDays, looks, func(k, raw []byte) bool {
		c, err := decodeDay(k, raw)
		t.fail(err)
		if err != nil || c.Day >= oldest {
			return false
		}
		key, err := c.key()
		t.fail(err)
		delete(t.days, key)
		t.lastDay = nil
		return true
	})
}

// key is where memory has the counts.
func (c *DayCount) key() (dayKey, error) {
	at, err := time.Parse("20060102", c.Day)
	if err != nil {
		return dayKey{}, fmt.Errorf("day: %w", errCodec)
	}
	return dayKey{day: at.Unix() / (24 * 3600), route: c.Route, template: c.Template}, nil
}

func (l *loaded) loadDay(_ *bolt.Tx, k, v []byte) error {
	c, err := decodeDay(k, v)
	if err != nil {
		return err
	}
	key, err := c.key()
	l.machine.days[key] = &dayCount{dayKey: key, DayCount: c}
	return err
}

// Days returns the counts of the days from and to, spelt yyyymmdd, and of those between them, in order of day, route
// and template. Counts are kept for 40 days.
func (s *Store) Days(from, to string) ([]DayCount, error) {
	var days []DayCount
	err := s.read(func(tx *bolt.Tx) error {
		cur := bktDays.find(tx).Cursor()
		for k, v := cur.Seek([]byte(from)); k != nil; k, v = cur.Next() {
			c, err := decodeDay(k, v)
			if err != nil {
				return err
			}
			if c.Day > to {
				break
			}
			days = append(days, c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("days: %w", err)
	}
	slices.SortFunc(days, func(a, b DayCount) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Template, b.Template))
	})
	return days, nil
}
