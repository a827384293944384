package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"

	"smppbridge/smpp"
)

// bindFrom is one bind from an address.
func (s *street) bindFrom(addr, account, password string) smpp.Status {
	s.r.t.Helper()
	e := s.from(addr)
	defer e.Close()
	return e.Bind(smpp.Receiver, account, password)
}

func wrongPassword(i int) string { return fmt.Sprintf("no%d", i) }

// TestGuessingIsSlowedDown: after five wrong passwords an account is locked out at that address, each
// further one doubles the time, and what is refused meanwhile is not hashed. Other accounts and addresses
// are not concerned.
func TestGuessingIsSlowedDown(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		hashed := r.countHashes()
		n := 0
		guess := func() smpp.Status { n++; return s.bindFrom("192.0.2.7", "any", wrongPassword(n)) }
		for range 5 {
			if got := guess(); got != smpp.StatusInvPaswd {
				t.Fatalf("guess %d answered %v, want ESME_RINVPASWD", n, got)
			}
		}
		for wait := time.Second; ; wait = min(2*wait, 5*time.Minute) {
			before := hashed()
			pass(wait - 100*time.Millisecond)
			if got := guess(); got != smpp.StatusBindFail || hashed() != before {
				t.Fatalf("shortly before %v are over: got %v and %d hashes, want ESME_RBINDFAIL and none", wait, got, hashed()-before)
			}
			if got := s.bindFrom("192.0.2.7", "any", rigPassword); got != smpp.StatusBindFail {
				t.Fatalf("the right password, locked out: got %v, want ESME_RBINDFAIL", got)
			}
			pass(100 * time.Millisecond)
			if got := guess(); got != smpp.StatusInvPaswd {
				t.Fatalf("after %v: got %v, want ESME_RINVPASWD", wait, got)
			}
			if wait == 5*time.Minute {
				break
			}
		}
		for _, other := range []struct{ from, account string }{{"192.0.2.8", "any"}, {"192.0.2.7", "two"}} {
			if got := s.bindFrom(other.from, other.account, rigPassword); got != smpp.StatusOK {
				t.Errorf("%s from %s: got %v, want ESME_ROK", other.account, other.from, got)
			}
		}
		pass(5 * time.Minute)
		if got := s.bindFrom("192.0.2.7", "any", rigPassword); got != smpp.StatusOK {
			t.Errorf("the right password when the time is over: got %v, want ESME_ROK", got)
		}
		for range 4 {
			if got := guess(); got != smpp.StatusInvPaswd {
				t.Errorf("a success did not clear the count: got %v, want ESME_RINVPASWD", got)
			}
		}
	})
}

// TestSameWrongPasswordIsNotLongerEachTime: a client that was forgotten when its password changed binds on and on with
// the old one. It does not guess, is not hashed again, and lets the client beside it in.
func TestSameWrongPasswordIsNotLongerEachTime(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		hashed := r.countHashes()
		for range 600 {
			s.bindFrom("192.0.2.7", "any", "old")
			pass(500 * time.Millisecond)
		}
		pass(time.Second)
		if got := s.bindFrom("192.0.2.7", "any", rigPassword); got != smpp.StatusOK {
			t.Errorf("got %v, want ESME_ROK", got)
		}
		if got := hashed(); got != 2 {
			t.Errorf("%d hashes, want 2", got)
		}
	})
}

// countHashes returns how many passwords have been hashed.
func (r *rig) countHashes() func() int {
	var mu sync.Mutex
	n := 0
	r.passwords.compare = func(password, hash string) (bool, error) {
		mu.Lock()
		n++
		mu.Unlock()
		return argon2id.ComparePasswordAndHash(password, hash)
	}
	return func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// TestOwnerBehindTheAttackersAddress: whoever shares the owner's address cannot lock the owner out of it, once it
// has bound from there, neither by one account nor by all.
func TestOwnerBehindTheAttackersAddress(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		const nat = "192.0.2.7"
		s.bindFrom(nat, "any", rigPassword)
		for i := range 40 {
			s.bindFrom(nat, "any", wrongPassword(i))
			s.bindFrom(nat, "two", wrongPassword(i))
			s.bindFrom(nat, "quirks", wrongPassword(i))
			pass(time.Second)
		}
		for i := range 20 {
			s.bindFrom(nat, "quirks", wrongPassword(100+i))
			s.bindFrom(nat, fmt.Sprintf("nobody%d", i), "x")
		}
		if got := r.refusals("address_locked"); got == 0 {
			t.Fatal("the address was never locked out: the test shows nothing")
		}
		if got := s.bindFrom(nat, "two", rigPassword); got != smpp.StatusBindFail {
			t.Errorf("another account, that never bound from there: got %v, want ESME_RBINDFAIL", got)
		}
		if got := s.bindFrom(nat, "any", rigPassword); got != smpp.StatusOK {
			t.Errorf("the owner: got %v, want ESME_ROK", got)
		}
	})
}

// TestAddressIsLockedOut: twenty wrong passwords or system_ids from one address, whatever the account; of IPv6 a /64
// is one address.
func TestAddressIsLockedOut(t *testing.T) {
	for name, addrs := range map[string]struct{ from, other string }{
		"IPv4": {"192.0.2.7", "192.0.2.8"}, "IPv6": {"2001:db8:1:2::%d", "2001:db8:1:3::1"},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				s := newStreet(r)
				at := func(i int) string { return strings.Replace(addrs.from, "%d", fmt.Sprint(i+1), 1) }
				for i := range 20 {
					if got := s.bindFrom(at(i), fmt.Sprintf("nobody%d", i), "x"); got != smpp.StatusInvSysID {
						t.Fatalf("bind %d answered %v, want ESME_RINVSYSID", i, got)
					}
				}
				for _, account := range []string{"any", "nobody"} {
					if got := s.bindFrom(at(20), account, rigPassword); got != smpp.StatusBindFail {
						t.Errorf("%s from there: got %v, want ESME_RBINDFAIL", account, got)
					}
				}
				if got := s.bindFrom(addrs.other, "any", rigPassword); got != smpp.StatusOK {
					t.Errorf("from elsewhere: got %v, want ESME_ROK", got)
				}
				pass(time.Second)
				if got := s.bindFrom(at(20), "any", rigPassword); got != smpp.StatusOK {
					t.Errorf("a second later: got %v, want ESME_ROK", got)
				}
			})
		})
	}
}

// TestAccountUnderAttack: 200 addresses guess one account's password, each a new one. After fifty only addresses that
// are good for it are looked at; the owner, who comes for the first time, from the one that its policy lists, is
// verified while all others wait for the hash of one of them.
func TestAccountUnderAttack(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		passed, open := r.gate()
		var mu sync.Mutex
		var begun []string
		r.passwords.compare = func(password, hash string) (bool, error) {
			mu.Lock()
			begun = append(begun, password)
			mu.Unlock()
			if password != rigPassword {
				<-passed
			}
			return argon2id.ComparePasswordAndHash(password, hash)
		}
		attackers := make([]*esme, 200)
		for i := range attackers {
			attackers[i] = s.from(fmt.Sprintf("198.51.100.%d", i))
			attackers[i].Send(&smpp.Bind{Type: smpp.Receiver, SystemID: "listed", Password: wrongPassword(i), InterfaceVersion: 0x34})
		}
		synctest.Wait()
		before := time.Now()
		if got := s.bindFrom("192.0.2.7", "listed", rigPassword); got != smpp.StatusOK {
			t.Errorf("the owner: got %v, want ESME_ROK", got)
		}
		mu.Lock()
		if took := time.Since(before); took > 0 || len(begun) > cap(r.passwords.common)+1 || begun[len(begun)-1] != rigPassword {
			t.Errorf("the owner waited %v, and for %d hashes", took, len(begun)-1)
		}
		mu.Unlock()
		open()
		statuses := map[smpp.Status]int{}
		for _, e := range attackers {
			h, _ := e.Expect(smpp.BindReceiverRespID)
			statuses[h.Status]++
		}
		if n := statuses[smpp.StatusInvPaswd]; n < 50 || n > 50+cap(r.passwords.common) || n+statuses[smpp.StatusBindFail] != 200 {
			t.Errorf("200 guesses were answered %v, want 50 hashed and the others refused", statuses)
		}
		if got := s.bindFrom("203.0.113.1", "listed", rigPassword); got != smpp.StatusBindFail {
			t.Errorf("the right password from a new address: got %v, want ESME_RBINDFAIL", got)
		}
		pass(time.Minute)
		if got := s.bindFrom("203.0.113.1", "listed", rigPassword); got != smpp.StatusOK {
			t.Errorf("when the attack is over: got %v, want ESME_ROK", got)
		}
	})
}

// TestRefusedBindsAreLoggedOnce: the first of a kind, and how many more there were, once a minute; never
// what was sent as the password.
func TestRefusedBindsAreLoggedOnce(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		s := newStreet(r)
		for range 30 {
			s.bindFrom("192.0.2.7", "near", "wrong")
			s.bindFrom("198.51.100.7", "near", "wrong")
			s.bindFrom("198.51.100.8", "4711", "wrong")
		}
		pass(2 * time.Minute)
		var lines []string
		for line := range strings.Lines(r.logs.String()) {
			if strings.Contains(line, "bind refused\"") && !strings.Contains(line, "level=DEBUG") {
				_, line, _ = strings.Cut(strings.TrimSpace(line), "msg=")
				lines = append(lines, line)
			}
		}
		for _, want := range []string{
			`"account's bind refused" system_id=near remote=192.0.2.7 reason=password err=`,
			`"account's bind refused" system_id=near remote=192.0.2.7 reason=password more=4`,
			`"account's bind refused" system_id=near remote=192.0.2.7 reason=pair_locked more=24`,
			`"account's bind refused" system_id=near remote=198.51.100.7 reason=address more=29`,
			`"unknown account's bind refused" remote=198.51.100.8 reason=unknown_account more=19`,
			`"unknown account's bind refused" remote=198.51.100.8 reason=address_locked more=9`,
		} {
			if !strings.Contains(strings.Join(lines, "\n"), want) {
				t.Errorf("not logged: %s", want)
			}
		}
		if len(lines) != 10 {
			t.Errorf("%d lines, want 10:\n%s", len(lines), strings.Join(lines, "\n"))
		}
	})
}

// TestLockoutIsBounded: whatever addresses come.
func TestLockoutIsBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := newLockout(func() time.Time { return now })
	network := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	for i := range 3 * maxTallies {
		now = now.Add(time.Millisecond)
		l.wrong(suspect{"any", network(i)}, false, true)
		l.right(suspect{"owner", network(i)})
	}
	if len(l.pairs.byKey) > maxTallies || len(l.addresses.byKey) > maxTallies || len(l.good["owner"]) > maxGood {
		t.Errorf("%d pairs, %d addresses, %d good ones are kept", len(l.pairs.byKey), len(l.addresses.byKey), len(l.good["owner"]))
	}
	if last := 3*maxTallies - 1; !l.isGood(suspect{"owner", network(last)}) || l.isGood(suspect{"owner", network(0)}) {
		t.Error("the last addresses are not those that are kept")
	}
	now = now.Add(goodFor)
	l.prune()
	if n := len(l.pairs.byKey) + len(l.addresses.byKey) + len(l.accounts.byKey) + len(l.good); n != 0 {
		t.Errorf("%d are kept for ever", n)
	}
}

// TestLockedTalliesAreKept: tallies that are locked are not pushed out while others can be.
func TestLockedTalliesAreKept(t *testing.T) {
	now := time.Unix(1e9, 0)
	ts := newTallies[int](5, time.Minute, time.Hour)
	for range 5 {
		ts.add(-1, now, true)
	}
	for i := range 2 * maxTallies {
		ts.add(i, now, true)
	}
	if !ts.locked(-1, now) || len(ts.byKey) != maxTallies {
		t.Errorf("locked: %v, kept: %d", ts.locked(-1, now), len(ts.byKey))
	}
}

// TestGuessesDoNotPushRightPasswordsOut: more wrong passwords than are remembered, then the right one
// costs nothing still.
func TestGuessesDoNotPushRightPasswordsOut(t *testing.T) {
	p := newPasswords(1)
	p.compare = func(password, _ string) (bool, error) { return password == rigPassword, nil }
	verify := func(password string) (bool, error) {
		return p.verify(context.Background(), guess{hash: "h", password: password, allowed: func() error { return nil }})
	}
	if fresh, err := verify(rigPassword); !fresh || err != nil {
		t.Fatalf("got %v, %v", fresh, err)
	}
	for i := range maxWrong + 1 {
		if fresh, err := verify(wrongPassword(i)); !fresh || !errors.Is(err, refusedPassword) {
			t.Fatalf("guess %d: got %v, %v", i, fresh, err)
		}
	}
	if fresh, err := verify(rigPassword); fresh || err != nil {
		t.Errorf("got hashed %v, %v", fresh, err)
	}
	if len(p.wrong) > maxWrong {
		t.Errorf("%d wrong ones are remembered", len(p.wrong))
	}
	p.retain(&policy{accounts: map[string]*account{}})
	if p.known("h", rigPassword) {
		t.Error("the password of a hash that is gone is still known")
	}
}

// TestGuessThatWaitedIsAskedAgain: what was learnt while a guess waited for its turn holds for it.
func TestGuessThatWaitedIsAskedAgain(t *testing.T) {
	p := newPasswords(1)
	p.compare = func(string, string) (bool, error) { t.Error("hashed"); return false, nil }
	_, err := p.verify(context.Background(), guess{hash: "h", password: "x", allowed: func() error { return refusedPairLocked }})
	if !errors.Is(err, refusedPairLocked) {
		t.Errorf("got %v, want %v", err, refusedPairLocked)
	}
}

// TestGuessesUnderWayDoNotLengthenALock: what was being verified when a lock began is no further guess.
func TestGuessesUnderWayDoNotLengthenALock(t *testing.T) {
	now := time.Unix(1e9, 0)
	ts := newTallies[int](5, time.Second, time.Hour)
	for range 8 {
		ts.add(1, now, true)
	}
	if now = now.Add(time.Second); ts.locked(1, now) {
		t.Error("locked for longer than the first second")
	}
	ts.add(1, now, true)
	if now = now.Add(2*time.Second - 1); !ts.locked(1, now) {
		t.Error("the guess after the lock did not double it")
	}
}
