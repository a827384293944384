package bridge

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/alexedwards/argon2id"
)

// passwords verifies passwords against argon2id hashes. Verifying costs tens of milliseconds and
// megabytes by design, so that what a pair turned out to be is remembered and only a few are
// verified at a time: a bind storm must not be an attack on the CPU. The client with a wrong
// password that binds every second costs nothing either.
//
// One verification at a time is kept for good addresses (see lockout): whoever guesses, from however
// many addresses, takes the others and waits for them, and an owner does not wait behind him.
type passwords struct {
	secret   [sha256.Size]byte // of this process: a proof cannot be aimed at
	common   chan struct{}     // a verification holds one of these,
	reserved chan struct{}     // or, of a password that came from a good address, this one
	compare  func(password, hash string) (bool, error)

	mu    sync.Mutex
	right map[string]proof   // guarded by mu; the password of each hash that has been verified
	wrong map[proof]struct{} // guarded by mu; passwords and hashes that do not belong together
}

// A proof stands for a hash and a password.
type proof [sha256.Size]byte

// maxWrong bounds the memory of wrong; beyond it all of it is forgotten. Of right there is one for
// each hash of the policy: whoever guesses cannot push it out.
const maxWrong = 10_000

// newPasswords verifies common passwords at a time, and one more from a good address.
func newPasswords(common int) *passwords {
	p := &passwords{
		common:   make(chan struct{}, max(common, 1)),
		reserved: make(chan struct{}, 1),
		compare:  argon2id.ComparePasswordAndHash,
		right:    make(map[string]proof),
		wrong:    make(map[proof]struct{}),
	}
	rand.Read(p.secret[:]) // it never fails
	return p
}

// A guess is a password to be verified.
type guess struct {
	hash, password string
	good           bool         // it came from a good address
	allowed        func() error // asked before hashing: what has been learnt while it waited
}

// verify returns nil if a guess is right, refusedPassword if not, and any other error if it was not looked at.
// fresh says that it had to be hashed.
func (p *passwords) verify(ctx context.Context, g guess) (fresh bool, err error) {
	d := p.proof(g.hash, g.password)
	if right, ok := p.recall(g.hash, d); ok {
		return false, verdictOf(right)
	}
	slot, err := p.slot(ctx, g.good)
	if err != nil {
		return false, err
	}
	defer func() { <-slot }()
	if right, ok := p.recall(g.hash, d); ok { // found out while we waited
		return false, verdictOf(right)
	}
	if err := g.allowed(); err != nil {
		return false, err
	}
	right, err := p.compare(g.password, g.hash)
	if err != nil {
		return false, fmt.Errorf("verify password: %w", err)
	}
	p.remember(g.hash, d, right)
	return true, verdictOf(right)
}

// slot waits for a verification to be allowed, and takes the slot it returns.
func (p *passwords) slot(ctx context.Context, good bool) (chan struct{}, error) {
	reserved := p.reserved
	if !good {
		reserved = nil // never ready
	}
	select {
	case reserved <- struct{}{}:
		return reserved, nil
	case p.common <- struct{}{}:
		return p.common, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func verdictOf(right bool) error {
	if right {
		return nil
	}
	return refusedPassword
}

// known reports whether a password is known to be right, at no cost.
func (p *passwords) known(hash, password string) bool {
	right, ok := p.recall(hash, p.proof(hash, password))
	return ok && right
}

func (p *passwords) proof(hash, password string) proof {
	b := make([]byte, 0, 256)
	b = append(b, p.secret[:]...)
	b = append(b, hash...)
	b = append(b, 0)
	return sha256.Sum256(append(b, password...))
}

func (p *passwords) recall(hash string, d proof) (right, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.right[hash] == d {
		return true, true
	}
	_, wrong := p.wrong[d]
	return false, wrong
}

func (p *passwords) remember(hash string, d proof, right bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if right {
		p.right[hash] = d
		return
	}
	if len(p.wrong) >= maxWrong {
		clear(p.wrong)
	}
	p.wrong[d] = struct{}{}
}

// retain forgets the passwords of hashes that a policy does not have any more.
func (p *passwords) retain(pol *policy) {
	hashes := make(map[string]bool, len(pol.accounts))
	for _, a := range pol.accounts {
		hashes[a.PasswordHash] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for hash := range p.right {
		if !hashes[hash] {
			delete(p.right, hash)
		}
	}
}
