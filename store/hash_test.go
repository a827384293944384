package store

import "testing"

// TestHashSeesWhatIsChanged: two nodes that differ in one change, or in an entry that changes nothing, note different
// hashes.
func TestHashSeesWhatIsChanged(t *testing.T) {
	change := func(how int, id bucketID, key, value string) func(*txn) {
		return func(x *txn) { x.hashChange(how, id, []byte(key), []byte(value)) }
	}
	entry := func(index uint64, at int64, k Kind) func(*txn) {
		return func(x *txn) { x.at = at; x.hashEntry(index, k) }
	}
	result := func(r Result) func(*txn) { return func(x *txn) { x.hashResult(r) } }
	changes := map[string]func(*txn){
		"nothing":                func(*txn) {},
		"a record":               change(hashPut, bktStates, "key", "value"),
		"of another bucket":      change(hashPut, bktMessages, "key", "value"),
		"with another key":       change(hashPut, bktStates, "kez", "value"),
		"with another value":     change(hashPut, bktStates, "key", "valve"),
		"with another border":    change(hashPut, bktStates, "keyv", "alue"),
		"without a value":        change(hashPut, bktStates, "key", ""),
		"deleted":                change(hashDel, bktStates, "key", ""),
		"another deleted":        change(hashDel, bktStates, "kez", ""),
		"deleted elsewhere":      change(hashDel, bktMessages, "key", ""),
		"an entry":               entry(7, 1000, KindClose),
		"the next one":           entry(8, 1000, KindClose),
		"a moment later":         entry(7, 1001, KindClose),
		"of another kind":        entry(7, 1000, KindPurge),
		"a result":               result(&FinishResult{Applied: 1}),
		"another result":         result(&FinishResult{Applied: 2}),
		"a result of other kind": result(&PolicyResult{Version: 1}),
	}
	seen := map[uint64]string{}
	for name, f := range changes {
		x := &txn{machine: &machine{}}
		f(x)
		if other, ok := seen[x.meta.hash]; ok {
			t.Errorf("%q and %q have the same hash", name, other)
		}
		seen[x.meta.hash] = name
	}
}

// TestHashIsOfTheOrder: the same changes one after the other in another order are others.
func TestHashIsOfTheOrder(t *testing.T) {
	var hashes [2]uint64
	for i, keys := range [][2]string{{"a", "b"}, {"b", "a"}} {
		x := &txn{machine: &machine{}}
		for _, k := range keys {
			x.hashChange(hashDel, bktStates, []byte(k), nil)
		}
		hashes[i] = x.meta.hash
	}
	if hashes[0] == hashes[1] {
		t.Errorf("hash %016x in either order", hashes[0])
	}
}
