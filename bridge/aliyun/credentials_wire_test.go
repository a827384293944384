package aliyun

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// The keys that a role is assumed with are fetched themselves, and fetched anew when STS says that they
// have expired.
func TestAssumeRoleWithTemporaryKeys(t *testing.T) {
	expires := inAnHour()
	srv := serve(t, respond(400, `{"Code":"InvalidSecurityToken.Expired"}`))
	base := &refreshing{Credentials: testKeys(t)}
	c, err := AssumeRole(base, Role{ARN: testRoleARN, Endpoint: srv.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fetchOnce(t, c); err == nil || base.refreshed != 1 {
		t.Errorf("%v, refreshed %d times, want once", err, base.refreshed)
	}
	for _, keyless := range []Credentials{noKeys{}, static{}} {
		c, err := AssumeRole(keyless, Role{ARN: testRoleARN, Endpoint: srv.URL}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fetchOnce(t, c); err == nil || !strings.Contains(err.Error(), "the keys to begin with") {
			t.Errorf("%T: %v", keyless, err)
		}
	}
	// Two steps, both run: an instance's role assumes another.
	meta := &metadata{role: "ecs", expires: expires}
	first, err := FromInstance(InstanceRole{Endpoint: serve(t, meta.serve).URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var used string
	sts := serve(t, func(w http.ResponseWriter, r *http.Request) {
		used = r.Header.Get("X-Acs-Accesskey-Id")
		respond(200, givenKeys("STS.second", expires))(w, r)
	})
	second, err := AssumeRole(first, Role{ARN: testRoleARN, Endpoint: sts.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	runAll(t, first, second)
	wantKeys(t, eventualKeys(t, second), "STS.second", testSecret, testToken)
	if used != "STS.ecs" {
		t.Error("the role was not assumed with the instance's keys")
	}
}

// runAll runs temporary credentials until the test ends.
func runAll(t *testing.T, all ...*Temporary) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, c := range all {
		group.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); group.Wait() })
}

// eventualKeys returns c once it has keys.
func eventualKeys(t *testing.T, c *Temporary) *Temporary {
	t.Helper()
	eventually(t, "keys", func() bool { _, err := c.Keys(); return err == nil })
	return c
}

// eventually waits until ok, which must come within a busy machine's patience.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); wait(t, 5*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// wait lets a little time pass.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// Credentials whose service is away at first say so, have keys when it is back, and have others after
// those. That no caller goes without in between is TestKeysAreRenewed's to show, whose time is its own.
func TestKeysOverTheWire(t *testing.T) {
	var mu sync.Mutex
	given, away := 0, true
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if away {
			respond(503, "")(w, r)
			return
		}
		given++
		// The end is written in whole seconds: three of them are two at least.
		respond(200, givenKeys(fmt.Sprintf("STS.%d", given), time.Now().Add(3*time.Second)))(w, r)
	})
	var logged bytes.Buffer
	c, err := AssumeRole(testKeys(t), Role{ARN: testRoleARN, Endpoint: srv.URL}, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checkNoSecret(t, logged.String()) })
	runAll(t, c)
	eventually(t, "the answer of a service that is away", func() bool {
		_, err := c.Keys()
		return err != nil && strings.Contains(err.Error(), "HTTP 503")
	})
	mu.Lock()
	away = false
	mu.Unlock()
	eventually(t, "the third keys", func() bool {
		keys, err := c.Keys()
		return err == nil && keys.reveal().id != "STS.1" && keys.reveal().id != "STS.2"
	})
}
