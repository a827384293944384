package bridge

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/alexedwards/argon2id"

	"smppbridge/smpp"
)

// passwords verifies passwords against argon2id hashes. Verifying costs tens of milliseconds and
// megabytes by design, so that what a pair turned out to be is remembered and only a few are
// verified at a time: a bind storm must not be an attack on the CPU. The client with a wrong
// password that binds every second costs nothing either.
type passwords struct {
	slots chan struct{} // a verification holds one

	mu    sync.Mutex
	known map[[sha256.Size]byte]bool // guarded by mu; whether hash and password belong together, by their digest
}

// maxKnown bounds the memory of known; beyond it everything is forgotten.
const maxKnown = 10_000

func newPasswords(parallel int) *passwords {
	return &passwords{
		slots: make(chan struct{}, parallel),
		known: make(map[[sha256.Size]byte]bool),
	}
}

// verify returns nil if password is the one of hash, and a *smpp.StatusError if not.
func (p *passwords) verify(ctx context.Context, hash, password string) error {
	key := sha256.Sum256([]byte(hash + "\x00" + password))
	if right, ok := p.recall(key); ok {
		return verdictOf(right)
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if right, ok := p.recall(key); ok { // found out while we waited
		return verdictOf(right)
	}
	right, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return fmt.Errorf("verify password: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxKnown {
		clear(p.known)
	}
	p.known[key] = right
	return verdictOf(right)
}

func verdictOf(right bool) error {
	if right {
		return nil
	}
	return &smpp.StatusError{Status: smpp.StatusInvPaswd, Err: errWrongPassword}
}

func (p *passwords) recall(key [sha256.Size]byte) (right, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	right, ok = p.known[key]
	return right, ok
}
