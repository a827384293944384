package aliyun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A keyService gives keys that are called after the number of the fetch.
type keyService struct {
	mu      sync.Mutex
	fetches int           // guarded by mu, like what follows
	life    time.Duration // of the keys it gives
	away    bool
	hangs   bool // until the context ends
	closed  bool
	last    time.Time
}

func (s *keyService) fetch(ctx context.Context) (session, error) {
	s.mu.Lock()
	s.fetches++
	s.last = time.Now()
	away, hangs := s.away, s.hangs
	keys, err := newKeys(fmt.Sprintf("i%d", s.fetches), testSecret, "t")
	expires := time.Now().Add(s.life)
	s.mu.Unlock()
	switch {
	case hangs:
		<-ctx.Done()
		return session{}, ctx.Err()
	case away:
		return session{}, errors.New("the service is away")
	}
	return session{keys, expires}, err
}

func (s *keyService) set(change func(*keyService)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *keyService) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// runKeys runs temporary credentials in a bubble of time until its test ends, and returns what they log.
func runKeys(t *testing.T, s *keyService) (*Temporary, *bytes.Buffer) {
	t.Helper()
	logged := new(bytes.Buffer)
	c := newTemporary(s, slog.New(slog.NewTextHandler(logged, nil)), func() { s.set(func(s *keyService) { s.closed = true }) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if !s.closed {
			t.Error("what the source keeps open was not closed")
		}
		checkNoSecret(t, logged.String())
	})
	return c, logged
}

// wantKeyID checks which keys c gives, and that it gives them at once.
func wantKeyID(t *testing.T, c *Temporary, id string) {
	t.Helper()
	began := time.Now()
	keys, err := c.Keys()
	if err != nil {
		t.Errorf("want %s, got: %v", id, err)
		return
	}
	if got := keys.reveal().id; got != id || time.Since(began) > 0 {
		t.Errorf("got %s after %v, want %s at once", got, time.Since(began), id)
	}
}

// Keys are fetched anew when half of what is left of them is over, without anybody asking for them.
func TestKeysAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &keyService{life: time.Hour}
		c, logged := runKeys(t, s)
		wantKeyID(t, c, "i1") // the first is waited for, by any number of callers
		time.Sleep(30*time.Minute - time.Second)
		wantKeyID(t, c, "i1")
		time.Sleep(2 * time.Second)
		wantKeyID(t, c, "i2")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := s.count(); n < 48 || n > 51 {
			t.Errorf("%d fetches in a day of keys of an hour, want one in half an hour", n)
		}
		if n := strings.Count(logged.String(), "keys fetched"); n != s.count() {
			t.Errorf("%d fetches, %d log lines", s.count(), n)
		}
	})
}

// A service that is away costs nothing until the keys end, is asked ever more rarely, and is used
// again within a minute of its return.
func TestKeysOutliveTheirService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &keyService{life: time.Hour}
		c, logged := runKeys(t, s)
		wantKeyID(t, c, "i1")
		s.set(func(s *keyService) { s.away = true })
		time.Sleep(time.Hour - time.Second)
		wantKeyID(t, c, "i1")
		if n := s.count(); n < 30 || n > 75 {
			t.Errorf("%d fetches in the half hour of an outage, want one in 30 to 60 s", n)
		}
		time.Sleep(2 * lastRetry)
		began := time.Now()
		if _, err := c.Keys(); err == nil || err.Error() != "the service is away" || time.Since(began) > 0 {
			t.Errorf("keys that have ended: %v after %v", err, time.Since(began))
		}
		s.set(func(s *keyService) { s.away = false })
		time.Sleep(lastRetry)
		wantKeyID(t, c, fmt.Sprintf("i%d", s.count()))
		for _, want := range []string{`level=WARN msg="keys not renewed"`, `level=ERROR msg="no keys"`} {
			if !strings.Contains(logged.String(), want) {
				t.Errorf("not logged: %s", want)
			}
		}
	})
}

// While there are no keys, a caller waits for the first fetch, but not long; once it has failed
// nobody waits, until it succeeds.
func TestNoKeysYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &keyService{life: time.Hour, hangs: true}
		c, _ := runKeys(t, s)
		for range 3 {
			began := time.Now()
			if _, err := c.Keys(); !errors.Is(err, errNoKeysYet) || time.Since(began) != keysWithin {
				t.Errorf("%v after %v, want %v after %v", err, time.Since(began), errNoKeysYet, keysWithin)
			}
		}
		time.Sleep(fetchWithin)
		began := time.Now()
		if _, err := c.Keys(); err == nil || time.Since(began) > 0 {
			t.Errorf("%v after %v, want an error at once", err, time.Since(began))
		}
		s.set(func(s *keyService) { s.hangs = false })
		time.Sleep(fetchWithin + 2*firstRetry)
		wantKeyID(t, c, fmt.Sprintf("i%d", s.count()))
	})
}

// The API's word that keys have expired brings new ones, once, and callers wait for them.
func TestRefreshBringsNewKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &keyService{life: time.Hour}
		c, _ := runKeys(t, s)
		wantKeyID(t, c, "i1")
		c.Refresh() // these keys are too new to be believed to have expired
		wantKeyID(t, c, "i1")
		time.Sleep(refreshEvery)
		c.Refresh()
		c.Refresh()
		wantKeyID(t, c, "i2")
		c.Refresh() // of a call that was under way with the first keys
		wantKeyID(t, c, "i2")
		s.set(func(s *keyService) { s.away = true })
		time.Sleep(refreshEvery)
		c.Refresh()
		if _, err := c.Keys(); err == nil {
			t.Error("expired keys were given again")
		}
		if n := s.count(); n != 3 {
			t.Errorf("%d fetches, want 3", n)
		}
	})
}

// Keys that ended while the machine slept are not used, and new ones fetched at once.
func TestKeysAfterSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &keyService{life: time.Hour}
		c, _ := runKeys(t, s)
		wantKeyID(t, c, "i1")
		synctest.Wait()
		c.now = func() time.Time { return time.Now().Add(2 * time.Hour) } // no timer has run
		s.set(func(s *keyService) { s.life = 3 * time.Hour })
		wantKeyID(t, c, "i2")
	})
}

// Keys that have next to no life, or none, do not have the service asked in a loop.
func TestKeysWithoutLife(t *testing.T) {
	for life, want := range map[time.Duration]string{time.Millisecond: "", -time.Minute: errKeysEnded.Error()} {
		synctest.Test(t, func(t *testing.T) {
			s := &keyService{life: life}
			c, logged := runKeys(t, s)
			time.Sleep(time.Minute)
			if n := s.count(); n > 61 {
				t.Errorf("%v: %d fetches in a minute", life, n)
			}
			_, err := c.Keys()
			if want != "" && (err == nil || err.Error() != want || !strings.Contains(logged.String(), want)) {
				t.Errorf("%v: %v, want %s, also in the log", life, err, want)
			}
		})
	}
}

// A caller finds keys or an error, never neither, also when Run has ended in the middle of a fetch.
func TestKeysAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &keyService{life: time.Hour, hangs: true}
		logged := new(bytes.Buffer)
		c := newTemporary(s, slog.New(slog.NewTextHandler(logged, nil)), func() {})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := c.Keys(); err == nil {
			t.Error("no keys and no error")
		}
		if logged.Len() > 0 {
			t.Errorf("the end of a node was logged: %s", logged)
		}
	})
}

// The API's word that temporary keys have expired reaches their source.
func TestExpiredTokenRefreshes(t *testing.T) {
	for _, code := range []string{"InvalidSecurityToken.Expired", "MissingSecurityToken"} {
		source := &refreshing{Credentials: testKeys(t)}
		route := plainRoute(t, serve(t, respond(400, gateway(code, "x"))).URL)
		route.Credentials = source
		send(t, newClient(t, nil, route), testCall())
		if source.refreshed != 1 {
			t.Errorf("%s: refreshed %d times, want once", code, source.refreshed)
		}
	}
}

type refreshing struct {
	Credentials
	refreshed int
}

func (r *refreshing) Refresh() { r.refreshed++ }
