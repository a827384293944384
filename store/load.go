package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// A loaded file is an open one with the memory rebuilt from it.
type loaded struct {
	file    *file
	machine *machine
	view    view
	states  *bolt.Cursor // while it is rebuilt
}

// load opens a file that is complete and rebuilds the memory. It reads no message: only the small
// buckets, the sends, the attempts and the statuses of their messages.
func (s *Store) load(path string) (*loaded, error) {
	if _, err := s.inspect(path, false); err != nil {
		return nil, err
	}
	db, err := openBolt(path, s.boltOptions())
	if err != nil {
		return nil, err
	}
	l := &loaded{
		file: &file{db: db},
		machine: &machine{
			meters: map[string]*meter{}, phones: map[string]*phone{}, nodes: map[string]uint64{},
			binds: map[string][]Bind{}, sessions: map[sessionKey]string{}, recent: map[string]map[digest]recentMessage{},
			heard: map[digest]heardMessage{}, days: map[dayKey]*dayCount{},
		},
		view: view{
			nodes: map[string]uint64{}, binds: map[string][]Bind{}, outbox: map[string]int{},
			biz: map[string]bizEntry{}, orphans: map[string][]uint64{}, registry: registry{},
		},
	}
	if err := guard(func() error { return db.View(l.rebuild) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return l, nil
}

// inspect reads the header of a file without trusting it: a file that was cut short must not be
// read through its memory map, for that would end the process. walk is for a file that came over
// the network: every page in use is looked at.
func (s *Store) inspect(path string, walk bool) (header, error) {
	o := s.boltOptions()
	o.ReadOnly, o.InitialMmapSize = true, 0
	db, err := openBolt(path, o)
	if err != nil {
		return header{}, err
	}
	var h header
	err = guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if info.Size() < tx.Size() {
				return fmt.Errorf("the file is cut short: %d octets of %d", info.Size(), tx.Size())
			}
			if h, err = readHeader(tx); err != nil || !walk {
				return err
			}
			return walkAll(tx)
		})
	})
	return h, errors.Join(err, db.Close())
}

// walkAll passes over every key of every bucket.
func walkAll(tx *bolt.Tx) error {
	for id := range bucketCount {
		c := id.find(tx).Cursor()
		var last []byte
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if bytes.Compare(k, last) <= 0 {
				return fmt.Errorf("bucket %s: keys do not ascend: %w", id.name(), errCodec)
			}
			last = k
		}
	}
	return nil
}

func (l *loaded) rebuild(tx *bolt.Tx) error {
	h, err := readHeader(tx)
	if err != nil {
		return err
	}
	l.machine.cluster, l.machine.meta = h.cluster, h.meta
	l.view.cluster, l.view.meta, l.view.configuration = h.cluster, h.meta, h.configuration
	steps := []struct {
		bucket bucketID
		each   func(tx *bolt.Tx, k, v []byte) error
	}{
		{bktMeters, l.loadMeter},
		{bktSends, l.loadSend},
		{bktNodes, l.loadNode},
		{bktBinds, l.loadBind},
		{bktOutbox, l.loadOutbox},
		{bktOrphans, l.loadOrphan},
		{bktAttempts, l.loadAttempt},
		{bktRecent, l.loadRecent},
		{bktHeard, l.loadHeard},
		{bktRegistry, l.loadRecord},
		{bktDays, l.loadDay},
	}
	for _, step := range steps {
		c := step.bucket.find(tx).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if err := step.each(tx, k, v); err != nil {
				return fmt.Errorf("bucket %s: %w", step.bucket.name(), err)
			}
		}
	}
	if err := l.loadDue(tx); err != nil {
		return err
	}
	for account, binds := range l.machine.binds {
		l.view.setBinds(account, binds)
	}
	if l.view.meta.policy > 0 {
		v := l.view.meta.policy
		l.view.policy, err = decodePolicy(v, bktPolicy.find(tx).Get(key8(v)))
	}
	return err
}

func (l *loaded) loadMeter(_ *bolt.Tx, k, v []byte) error {
	m, err := decodeMeter(string(k), v)
	if err == nil {
		l.machine.meters[m.key] = m
	}
	return err
}

func (l *loaded) loadSend(_ *bolt.Tx, k, v []byte) error {
	key, amount, err := decodeSend(v)
	if err != nil || len(k) != 16 {
		return fmt.Errorf("entry: %w", errCodec)
	}
	p := l.machine.phone(PhoneKeyPrefix + string(key))
	p.charges = append(p.charges, spent{
		at: int64(binary.BigEndian.Uint64(k)), seq: binary.BigEndian.Uint64(k[8:]), amount: amount,
	})
	return nil
}

func (l *loaded) loadNode(_ *bolt.Tx, k, v []byte) error {
	d := decode(k)
	node := d.string(maxString)
	if err := d.end(); err != nil || len(v) != 8 {
		return fmt.Errorf("node: %w", errCodec)
	}
	incarnation := binary.BigEndian.Uint64(v)
	l.machine.nodes[node], l.view.nodes[node] = incarnation, incarnation
	return nil
}

func (l *loaded) loadBind(_ *bolt.Tx, _, v []byte) error {
	bind, err := decodeBind(v)
	if err == nil {
		l.machine.addBind(bind)
	}
	return err
}

func (l *loaded) loadOutbox(_ *bolt.Tx, k, v []byte) error {
	d := decoder{b: k}
	account := d.octets(maxString)
	d.take(8)
	if err := d.end(); err != nil {
		return err
	}
	l.view.outbox[string(account)]++
	if incomingEntry(v) {
		l.view.incoming++
	}
	return nil
}

func (l *loaded) loadHeard(_ *bolt.Tx, k, v []byte) error {
	var dig digest
	if len(k) != 16 || len(v) != len(dig) {
		return fmt.Errorf("entry: %w", errCodec)
	}
	copy(dig[:], v)
	l.machine.heard[dig] = heardMessage{until: int64(binary.BigEndian.Uint64(k)), seq: binary.BigEndian.Uint64(k[8:])}
	return nil
}

func (l *loaded) loadRecord(_ *bolt.Tx, k, v []byte) error {
	r, err := decodeRecord(k, v)
	if err == nil {
		l.view.registry.change(&r)
	}
	return err
}

func (l *loaded) loadOrphan(_ *bolt.Tx, k, v []byte) error {
	r, _, err := decodeOrphan(v)
	if err == nil {
		l.view.changeOrphan(orphanChange{bizID: strings.Clone(r.BizID), id: binary.BigEndian.Uint64(k)})
	}
	return err
}

// loadRecent takes the entries as they ascend, so that of two with one digest the later one stays.
func (l *loaded) loadRecent(_ *bolt.Tx, k, v []byte) error {
	d := decoder{b: v}
	dig, account := d.recent()
	if err := d.end(); err != nil || len(k) != 16 {
		return fmt.Errorf("entry: %w", errCodec)
	}
	l.machine.setRecent(account, dig, recentMessage{
		until: int64(binary.BigEndian.Uint64(k)), number: Number(binary.BigEndian.Uint64(k[8:])),
	})
	return nil
}

// loadAttempt brings an attempt into the index by BizID if messages of it are open.
func (l *loaded) loadAttempt(tx *bolt.Tx, k, v []byte) error {
	a, err := decodeAttempt(v)
	if err != nil || a.bizID == "" {
		return err
	}
	if l.states == nil {
		l.states = bktStates.find(tx).Cursor()
	}
	id, open := AttemptID(binary.BigEndian.Uint64(k)), 0
	for i := range a.members {
		n := key8(uint64(a.members[i].number))
		found, raw := l.states.Seek(n)
		if !bytes.Equal(found, n) {
			continue // purged
		}
		s, err := decodeStatus(raw)
		if err != nil {
			return err
		}
		if s.State != StateFinal && s.Attempt == id {
			open++
		}
	}
	if open > 0 {
		l.view.biz[strings.Clone(a.bizID)] = bizEntry{attempt: id, open: open}
	}
	return nil
}
