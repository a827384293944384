package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// The limits of a record of the registry, in octets.
const (
	MaxSpace       = 64
	MaxRecordKey   = 255
	MaxRecordValue = 256 << 10
)

// A Record is a small piece of replicated state that is not about a message: what an operator has paused, who does not
// want to be written to. Its space says which; the store knows none of them.
type Record struct {
	Space string
	Key   string
	Value []byte // must not be changed
	At    int64  // Unix ms at which it was put
}

// valid reports whether the item is within the registry's limits.
func (it *PutItem) valid() bool {
	return it.Space != "" && len(it.Space) <= MaxSpace && it.Key != "" && len(it.Key) <= MaxRecordKey && len(it.Value) <= MaxRecordValue
}

// appendPut appends the items; those that are not valid without anything, which puts nothing.
func appendPut(b []byte, c *Put) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.Items)))
	for i := range c.Items {
		it := c.Items[i]
		if !it.valid() {
			it = PutItem{}
		}
		b = appendString(b, it.Space, MaxSpace)
		b = appendString(b, it.Key, MaxRecordKey)
		b = appendOctets(b, it.Value, MaxRecordValue)
		b = appendBool(b, it.Absent)
	}
	return b
}

func (d *decoder) put() *Put {
	c := &Put{}
	if n := d.count(4); n > 0 {
		c.Items = make([]PutItem, n)
	}
	for i := range c.Items {
		it := &c.Items[i]
		it.Space, it.Key, it.Value = d.string(MaxSpace), d.string(MaxRecordKey), d.octets(MaxRecordValue)
		it.Absent = d.bool()
		if !it.valid() && (it.Space != "" || it.Key != "" || len(it.Value) > 0 || it.Absent) {
			d.fail("record")
		}
	}
	return c
}

// recordKey is the key of a record.
func recordKey(space, key string) []byte { return append(named(space, len(key)), key...) }

// appendRecord appends what the bucket holds of a record.
func appendRecord(b []byte, at int64, value []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(at)), value...)
}

func decodeRecord(k, v []byte) (Record, error) {
	d := decoder{b: k}
	r := Record{Space: string(d.octets(MaxSpace)), Key: string(d.take(d.left()))}
	if d.err != nil || r.Key == "" || len(v) < 9 {
		return Record{}, fmt.Errorf("record: %w", errCodec)
	}
	r.At, r.Value = int64(binary.BigEndian.Uint64(v)), cloneOctets(v[8:])
	return r, nil
}

// putRecords applies a Put.
func (t *txn) putRecords(c *Put) *PutResult {
	r := &PutResult{Changed: make([]bool, len(c.Items))}
	for i := range c.Items {
		r.Changed[i] = t.putRecord(&c.Items[i])
	}
	return r
}

func (t *txn) putRecord(it *PutItem) bool {
	if !it.valid() {
		return false
	}
	k := recordKey(it.Space, it.Key)
	old := t.get(bktRegistry, k)
	switch {
	case old != nil && (it.Absent || len(old) >= 8 && bytes.Equal(old[8:], it.Value)):
		return false
	case old == nil && len(it.Value) == 0:
		return false
	case len(it.Value) == 0:
		t.del(bktRegistry, k)
		t.view.record(Record{Space: it.Space, Key: it.Key})
	default:
		t.put(bktRegistry, k, appendRecord(t.arena.empty(8+len(it.Value)), t.at, it.Value))
		t.view.record(Record{Space: it.Space, Key: it.Key, Value: cloneOctets(it.Value), At: t.at})
	}
	return true
}

// record tells that a record is another; without a value it is gone.
func (c *changes) record(r Record) {
	r.Space, r.Key = strings.Clone(r.Space), strings.Clone(r.Key)
	c.records = append(c.records, r)
	c.touch(WatchRegistry)
}

// A registry is the records by space and key.
type registry map[string]map[string]kept

// A kept is what memory holds of a record.
type kept struct {
	value []byte
	at    int64
}

// change puts or removes a record.
func (g registry) change(r *Record) {
	space := g[r.Space]
	if len(r.Value) > 0 {
		if space == nil {
			space = map[string]kept{}
			g[r.Space] = space
		}
		space[r.Key] = kept{value: r.Value, at: r.At}
		return
	}
	if delete(space, r.Key); len(space) == 0 {
		delete(g, r.Space)
	}
}

// Record returns a record; false when there is none. It reads no file and allocates nothing.
func (s *Store) Record(space, key string) (Record, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.view.registry[space][key]
	if !ok {
		return Record{}, false
	}
	return Record{Space: space, Key: key, Value: v.value, At: v.at}, true
}

// RecordCount returns how many records a space has.
func (s *Store) RecordCount(space string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.view.registry[space])
}

// RegistryVersion returns a number that is higher after each change of the registry that is to be seen: who has read
// it first, and then the records, has read them anew when it is another. It is this process's own and says nothing
// to another node.
func (s *Store) RegistryVersion() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.registryVersion
}

// Records returns the records of a space whose keys are behind after, in order of their octets, limit at most.
func (s *Store) Records(space, after string, limit int) ([]Record, error) {
	var records []Record
	err := s.read(func(tx *bolt.Tx) error {
		prefix, from := named(space, 0), recordKey(space, after)
		c := bktRegistry.find(tx).Cursor()
		k, v := c.Seek(from)
		if bytes.Equal(k, from) {
			k, v = c.Next()
		}
		for ; bytes.HasPrefix(k, prefix) && len(records) < limit; k, v = c.Next() {
			r, err := decodeRecord(k, v)
			if err != nil {
				return err
			}
			records = append(records, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	return records, nil
}
