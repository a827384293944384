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
// megabytes by design, so that verified pairs are remembered and only a few are verified at a
// time: a bind storm must not be an attack on the CPU.
type passwords struct {
	slots chan struct{} // a verification holds one

	mu       sync.Mutex
	verified map[[sha256.Size]byte]struct{} // guarded by mu; digests of hash and password
}

// maxVerified bounds the memory of verified; beyond it everything is forgotten.
const maxVerified = 10_000

func newPasswords(parallel int) *passwords {
	return &passwords{
		slots:    make(chan struct{}, parallel),
		verified: make(map[[sha256.Size]byte]struct{}),
	}
}

// verify returns nil if password is the one of hash, and a *smpp.StatusError if not.
func (p *passwords) verify(ctx context.Context, hash, password string) error {
	key := sha256.Sum256([]byte(hash + "\x00" + password))
	if p.known(key) {
		return nil
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.known(key) { // while we waited
		return nil
	}
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return fmt.Errorf("verify password: %w", err)
	}
	if !ok {
		return &smpp.StatusError{Status: smpp.StatusInvPaswd, Err: errWrongPassword}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.verified) >= maxVerified {
		clear(p.verified)
	}
	p.verified[key] = struct{}{}
	return nil
}

func (p *passwords) known(key [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.verified[key]
	return ok
}
