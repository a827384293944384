package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// schemaVersion numbers the layout of the file. A file of another layout is refused.
const schemaVersion = 6

// The keys of the bucket meta.
const (
	metaSchema        = "schema"        // 2 octets
	metaCluster       = "cluster"       // the cluster id
	metaState         = "state"         // the record meta
	metaConfiguration = "configuration" // Raft's last one
	metaEpoch         = "epoch"         // and an epoch that has ended, in 8 octets: its last attempt, the time
)

// actionCount and stateCount are the sizes of tables by Action and State.
const (
	actionCount = int(ActionPrefer) + 1
	stateCount  = int(StateJoined) + 1
)

// meta is the state's small change: counters and cursors, rewritten with every Apply.
type meta struct {
	clusterVersion uint64
	epoch          uint64 // part of OutIds; raised when the state was restored from a backup

	index, term uint64 // applied
	confIndex   uint64 // of the last Raft configuration
	clock       int64  // the latest time of an entry

	nextNumber  uint64 // the last given of each
	nextAttempt uint64
	nextReceipt uint64
	nextOrphan  uint64
	nextSend    uint64
	policy      uint64 // version in force

	purgeMessage uint64 // where Purge goes on
	purgeAttempt uint64

	named     uint64 // 1: Genesis has named the cluster; 0: the name is what Options said
	hash      uint64 // the rolling hash of what has been applied
	markIndex uint64 // of the last Mark
	markHash  uint64 // at the last Mark

	lineage Lineage // of the last Recover, or of Genesis

	states [stateCount]uint64  // messages by State
	due    [actionCount]uint64 // entries of due by Action
}

// fields lists the numbers of the record in their order. Fields are appended only, with a new
// schema version.
func (m *meta) fields() []*uint64 {
	f := []*uint64{
		&m.clusterVersion, &m.epoch, &m.index, &m.term, &m.confIndex,
		&m.nextNumber, &m.nextAttempt, &m.nextReceipt, &m.nextOrphan, &m.nextSend, &m.policy,
		&m.purgeMessage, &m.purgeAttempt, &m.named, &m.hash, &m.markIndex, &m.markHash,
	}
	for i := range m.states {
		f = append(f, &m.states[i])
	}
	for i := range m.due {
		f = append(f, &m.due[i])
	}
	return f
}

func (m *meta) encode(b []byte) []byte {
	b = appendTime(b, m.clock)
	for _, f := range m.fields() {
		b = binary.AppendUvarint(b, *f)
	}
	return append(b, m.lineage[:]...)
}

func decodeMeta(b []byte) (meta, error) {
	d := decoder{b: b}
	m := meta{clock: d.time()}
	for _, f := range m.fields() {
		*f = d.uvarint()
	}
	m.lineage = d.lineage()
	return m, d.end()
}

// A SchemaError is returned by Open and Restore for a file of another version of the program.
type SchemaError struct{ Schema uint16 }

func (e *SchemaError) Error() string {
	return fmt.Sprintf("the file has schema %d, this program reads schema %d", e.Schema, schemaVersion)
}

var errNotAStore = errors.New("not a store: it lacks a bucket or a record")

// A header is what Open, Restore and Snapshot read of a file's meta before anything else.
type header struct {
	meta          meta
	cluster       string
	configuration []byte
}

// readHeader reads and checks the meta of a file.
func readHeader(tx *bolt.Tx) (header, error) {
	b := bktMeta.find(tx)
	if b == nil {
		return header{}, errNotAStore
	}
	schema := b.Get([]byte(metaSchema))
	if len(schema) != 2 {
		return header{}, errNotAStore
	}
	if v := binary.BigEndian.Uint16(schema); v != schemaVersion {
		return header{}, &SchemaError{Schema: v}
	}
	for id := range bucketCount {
		if id.find(tx) == nil {
			return header{}, errNotAStore
		}
	}
	m, err := decodeMeta(b.Get([]byte(metaState)))
	if err != nil {
		return header{}, fmt.Errorf("meta: %w", err)
	}
	if err := checkVersion(m.clusterVersion); err != nil {
		return header{}, err
	}
	return header{
		meta:          m,
		cluster:       string(b.Get([]byte(metaCluster))),
		configuration: cloneOctets(b.Get([]byte(metaConfiguration))),
	}, nil
}

// initialise makes the buckets of an empty file.
func initialise(tx *bolt.Tx, cluster string) error {
	for id := range bucketCount {
		if _, err := tx.CreateBucket(id.name()); err != nil {
			return fmt.Errorf("bucket %s: %w", id.name(), err)
		}
	}
	m := meta{clusterVersion: firstVersion, epoch: 1}
	b := bktMeta.find(tx)
	return errors.Join(
		b.Put([]byte(metaSchema), binary.BigEndian.AppendUint16(nil, schemaVersion)),
		b.Put([]byte(metaCluster), []byte(cluster)),
		b.Put([]byte(metaState), m.encode(nil)),
	)
}

// cloneOctets copies what a transaction lends; nil stays nil.
func cloneOctets(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}
