package aliyun

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const metadataToken = "AQAAmetadataToken=="

// metadata plays the metadata service of an instance.
type metadata struct {
	role     string // the instance's; empty: none
	expires  time.Time
	code     string // of the keys; empty: Success
	tokens   string // how it gives tokens: "" as it should, "refused", "hangs", "empty"
	hardened bool   // nothing without a token

	mu    sync.Mutex
	asked []string // guarded by mu: method and path, and "+token" where one was sent
}

func (m *metadata) serve(w http.ResponseWriter, r *http.Request) {
	line := r.Method + " " + r.URL.Path
	token := r.Header.Get("X-aliyun-ecs-metadata-token")
	if token != "" {
		line += "+token"
	}
	m.mu.Lock()
	m.asked = append(m.asked, line)
	m.mu.Unlock()
	switch {
	case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
		m.giveToken(w, r)
	case token != "" && token != metadataToken, token == "" && m.hardened:
		w.WriteHeader(http.StatusForbidden)
	case m.role == "":
		w.WriteHeader(http.StatusNotFound)
	case r.URL.Path == metadataRoles:
		respond(200, m.role)(w, r)
	case r.URL.Path == metadataRoles+m.role:
		code := m.code
		if code == "" {
			code = "Success"
		}
		b, _ := json.Marshal(map[string]string{
			"AccessKeyId": "STS." + m.role, "AccessKeySecret": testSecret, "SecurityToken": testToken,
			"Expiration": m.expires.UTC().Format("2006-01-02T15:04:05Z"), "LastUpdated": "2026-01-01T00:00:00Z", "Code": code,
		})
		respond(200, string(b))(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (m *metadata) giveToken(w http.ResponseWriter, r *http.Request) {
	switch {
	case m.tokens == "hangs":
		<-r.Context().Done()
	case m.tokens == "refused":
		w.WriteHeader(http.StatusMethodNotAllowed)
	case m.tokens == "empty":
	case r.Header.Get("X-aliyun-ecs-metadata-token-ttl-seconds") == "":
		w.WriteHeader(http.StatusBadRequest)
	default:
		respond(200, metadataToken)(w, r)
	}
}

// How the keys of an instance's role are asked for: with a token where there is one.
func TestInstanceRole(t *testing.T) {
	expires := inAnHour()
	const put, list, keys = "PUT /latest/api/token", "GET " + metadataRoles, "GET " + metadataRoles + "ecs"
	tests := []struct {
		name    string
		service *metadata
		role    string // asked for
		v1No    string
		asked   []string
		err     string // empty: keys
	}{
		{name: "hardened", service: &metadata{hardened: true}, asked: []string{put, list + "+token", keys + "+token"}},
		{name: "named", service: &metadata{hardened: true}, role: "ecs", asked: []string{put, keys + "+token"}},
		{name: "without tokens", service: &metadata{tokens: "refused"}, asked: []string{put, list, keys}},
		{name: "token lost", service: &metadata{tokens: "hangs"}, role: "ecs", asked: []string{put, keys}},
		{name: "token empty", service: &metadata{tokens: "empty"}, role: "ecs", asked: []string{put, keys}},
		{name: "token lost, and needed", service: &metadata{tokens: "hangs", hardened: true}, role: "ecs", asked: []string{put, keys},
			err: "instance role: refused with HTTP 403 (and no token: no answer in time)"},
		{name: "only with a token", service: &metadata{tokens: "refused"}, v1No: "true", asked: []string{put}, err: "metadata token: refused with HTTP 405"},
		{name: "another role", role: "other", asked: []string{put, "GET " + metadataRoles + "other+token"}, err: "the instance has no such role"},
		{name: "no success", service: &metadata{code: "Failed"}, role: "ecs", asked: []string{put, keys + "+token"}, err: errNoSession.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clearEnv(t)
			t.Setenv(envMetadataV1No, tt.v1No)
			m := tt.service
			if m == nil {
				m = new(metadata)
			}
			m.role, m.expires = "ecs", expires
			c, err := FromInstance(InstanceRole{Name: tt.role, Endpoint: serve(t, m.serve).URL}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if i, ok := c.from.(*instance); ok && m.tokens != "hangs" {
				i.tokenWithin = patience
			}
			got, err := fetchOnce(t, c)
			if tt.err == "" && err == nil {
				wantSession(t, got, "STS.ecs", expires)
			} else if tt.err == "" || err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			if got, want := strings.Join(m.asked, ", "), strings.Join(tt.asked, ", "); got != want {
				t.Errorf("asked\n%s, want\n%s", got, want)
			}
		})
	}
}

// An instance without a role, a service that lists nonsense, and nobody there.
func TestInstanceWithoutRole(t *testing.T) {
	clearEnv(t)
	for name, answer := range map[string]http.HandlerFunc{
		"no such role":                            (&metadata{}).serve,
		"the instance has no role":                respond(200, "<html>a b</html>"),
		"the instance role: refused with HTTP 50": respond(500, testSecret),
	} {
		c, err := FromInstance(InstanceRole{Endpoint: serve(t, answer).URL}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fetchOnce(t, c); err == nil || !strings.Contains("the "+err.Error(), name) {
			t.Errorf("%v, want %s", err, name)
		}
	}
	if _, err := FromInstance(InstanceRole{Name: "../token"}, nil); err == nil {
		t.Error("a path was taken for a role's name")
	}
	t.Setenv(envMetadataOff, "true")
	if _, err := FromInstance(InstanceRole{}, nil); err == nil || !strings.Contains(err.Error(), envMetadataOff) {
		t.Errorf("although the environment forbids it: %v", err)
	}
}

// The metadata service is a part of the host: its keys never go through a proxy.
func TestInstanceWithoutProxy(t *testing.T) {
	clearEnv(t)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	c, err := FromInstance(InstanceRole{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i, ok := c.from.(*instance)
	if !ok || i.role.Endpoint != "http://100.100.100.200" {
		t.Fatalf("%T asks %+v", c.from, i)
	}
	request, err := http.NewRequest(http.MethodGet, i.role.Endpoint, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport, ok := i.client.Transport.(*http.Transport)
	if !ok {
		t.Fatalf("%T", i.client.Transport)
	}
	if proxy, err := transport.Proxy(request); proxy != nil || err != nil {
		t.Errorf("through %v, %v", proxy, err)
	}
}
