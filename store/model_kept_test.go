package store

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A modelIncoming is an incoming message in an outbox.
type modelIncoming struct {
	IncomingItem
	queued int64
}

// putAll puts the records one by one.
func (m *model) putAll(c *Put) Result {
	r := &PutResult{Changed: []bool{}}
	for _, it := range c.Items {
		name := [2]string{it.Space, it.Key}
		old, there := m.records[name]
		changed := len(it.Space) >= 1 && len(it.Space) <= 64 && len(it.Key) >= 1 && len(it.Key) <= 255 && len(it.Value) <= 262144 &&
			!(there && it.Absent) && string(old.Value) != string(it.Value)
		if changed {
			delete(m.records, name)
		}
		if changed && len(it.Value) > 0 {
			m.records[name] = Record{it.Space, it.Key, it.Value, m.now}
		}
		r.Changed = append(r.Changed, changed)
	}
	return r
}

func (m *model) hearAll(c *Incoming) Result {
	r := &IncomingResult{Taken: []bool{}}
	for _, it := range c.Items {
		until, known := m.heard[it.Digest]
		taken := !known || m.now >= until
		if taken {
			m.seqs++
			m.incoming[m.seqs] = modelIncoming{it, m.now}
			if it.Digest != [16]byte{} {
				m.heard[it.Digest] = m.now + it.KeepFor
			}
		}
		r.Taken = append(r.Taken, taken)
	}
	return r
}

// compareRegistry reads the records in small steps and one by one.
func (m *model) compareRegistry(h *harness) error {
	for _, space := range []string{"brake", "optout"} {
		var got, want []Record
		for after := ""; ; {
			page, err := h.Records(space, after, 2)
			if err != nil || len(page) > 2 {
				return fmt.Errorf("%d records: %w", len(page), err)
			}
			if got = append(got, page...); len(page) == 0 {
				break
			}
			after = page[len(page)-1].Key
		}
		for _, name := range slices.SortedFunc(maps.Keys(m.records), func(a, b [2]string) int { return strings.Compare(a[1], b[1]) }) {
			if name[0] == space {
				want = append(want, m.records[name])
			}
		}
		if !reflect.DeepEqual(got, want) || h.RecordCount(space) != len(want) {
			return fmt.Errorf("records of %s: %d, %+v, want %+v", space, h.RecordCount(space), got, want)
		}
	}
	for _, space := range []string{"brake", "optout", "else"} {
		for i := range 6 {
			key := fmt.Sprint("key", i)
			got, ok := h.Record(space, key)
			if want, there := m.records[[2]string{space, key}]; ok != there || !reflect.DeepEqual(got, want) {
				return fmt.Errorf("record %s of %s: %+v, %t, want %+v", key, space, got, ok, want)
			}
		}
	}
	return nil
}

// compareHeard: what counts in memory is what counts.
func (m *model) compareHeard(h *harness) error {
	for dig, until := range m.heard {
		if until > m.now && h.machine.heard[dig].until != until {
			return fmt.Errorf("of incoming messages %+v is remembered, want %x until %d", h.machine.heard[dig], dig, until)
		}
	}
	for dig, got := range h.machine.heard {
		if got.until > m.now && m.heard[dig] != got.until {
			return fmt.Errorf("of incoming messages %x is remembered until %d, want %d", dig, got.until, m.heard[dig])
		}
	}
	return nil
}

// compareDays holds the counts against what every attempt came to.
func (m *model) compareDays(h *harness) error {
	got, err := h.Days("00000000", "99999999")
	if err != nil {
		return err
	}
	var want []DayCount
	for _, c := range m.days {
		want = append(want, *c)
	}
	slices.SortFunc(want, func(a, b DayCount) int {
		return cmp.Or(strings.Compare(a.Day, b.Day), strings.Compare(a.Route, b.Route), strings.Compare(a.Template, b.Template))
	})
	if !slices.Equal(got, want) {
		return fmt.Errorf("days\n got %+v\nwant %+v", got, want)
	}
	for _, c := range got {
		if c.Delivered+c.Failed+c.Unknown > c.Sent || c.Segments > 9*c.Sent {
			return fmt.Errorf("more ended than were sent: %+v", c)
		}
	}
	return nil
}

// day returns the counts of an attempt's day in Shanghai.
func (m *model) day(id AttemptID) *DayCount {
	a := m.attempts[id]
	day := time.UnixMilli(a.begun).In(time.FixedZone("", 8*3600)).Format("20060102")
	key := [3]string{day, a.route, a.template}
	if m.days[key] == nil {
		m.days[key] = &DayCount{Day: day, Route: a.route, Template: a.template}
	}
	return m.days[key]
}

// sent counts message n for an attempt, unless it does already.
func (m *model) sent(n Number, id AttemptID) {
	x := m.messages[n]
	if id == x.Attempt && x.Booked {
		return
	}
	if id == x.Attempt {
		x.Booked = true
	}
	m.day(id).Sent++
	m.day(id).Segments += uint64(m.attempts[id].segments[n])
}

// unsent takes it back: the last attempt surely did not send it.
func (m *model) unsent(n Number) {
	x := m.messages[n]
	if !x.Booked {
		return
	}
	x.Booked = false
	if c := m.day(x.Attempt); c.Sent > 0 { // else it was forgotten, and is there again
		c.Sent--
		c.Segments -= min(c.Segments, uint64(m.attempts[x.Attempt].segments[n]))
	}
}

func (m *model) came(c *DayCount, e Ending) {
	switch e {
	case EndDelivered:
		c.Delivered++
	case EndUnknown:
		c.Unknown++
	default:
		c.Failed++
	}
}

// purgeKept forgets what the others do not.
func (m *model) purgeKept() {
	oldest := time.UnixMilli(m.now).Add(-40 * 24 * time.Hour).In(time.FixedZone("", 8*3600)).Format("20060102")
	maps.DeleteFunc(m.days, func(k [3]string, _ *DayCount) bool { return k[0] < oldest })
}
