package aliyun

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	dysms "github.com/alibabacloud-go/dysmsapi-20170525/v3/client"
	util "github.com/alibabacloud-go/tea-utils/v2/service"
	"github.com/alibabacloud-go/tea/tea"
)

// Defaults of Route.
const (
	DefaultWorkers        = 64
	DefaultTimeout        = 5 * time.Second
	DefaultConnectTimeout = 2 * time.Second
)

// MaxWorkers is the largest Route.Workers. The SDK fixes the number of idle connections when a
// pool is first used, so that every pool is made for as many as any route may need.
const MaxWorkers = 4096

// A Route is one endpoint of the API with the account it is used under.
type Route struct {
	Name        string
	Endpoint    string // host[:port]
	Plain       bool   // HTTP instead of HTTPS: for simulators
	RPCV1       bool   // sign like the old SDKs (HMAC-SHA1, parameters in the query) instead of ACS3
	Credentials Credentials
	Workers     int           // calls at a time; 0 = DefaultWorkers
	Timeout     time.Duration // of a whole call; 0 = DefaultTimeout
	// ConnectTimeout limits dialling, in whole seconds (rounded up); 0 = DefaultConnectTimeout. It
	// should be less than Timeout: only then can a dial that hangs be told from a lost answer.
	ConnectTimeout time.Duration
}

// A route is a Route ready for calls.
type route struct {
	Route
	base    *dysms.Client // never called, only copied
	idle    chan *dysms.Client
	options *util.RuntimeOptions // the same on every call: they choose the connection pool
}

// newRoute checks cfg and prepares everything that must not happen for the first time during a
// call.
func newRoute(cfg Route) (*route, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	target := &url.URL{Scheme: cfg.scheme(), Host: cfg.Endpoint, Path: "/"}
	proxy, err := proxyFor(target)
	if err != nil {
		return nil, err
	}
	sdkConfig := &openapi.Config{
		Endpoint: tea.String(cfg.Endpoint),
		Protocol: tea.String(cfg.scheme()),
		// Each call sets the keys it was given; see sendSms.
		Credential: noCredential(),
	}
	if cfg.RPCV1 {
		sdkConfig.SignatureAlgorithm = tea.String("v2")
	}
	base, err := dysms.NewClient(sdkConfig)
	if err != nil {
		return nil, errors.New("the SDK refuses the configuration")
	}
	r := &route{Route: cfg, base: base, options: runtimeOptions(cfg, proxy)}
	r.idle = make(chan *dysms.Client, cfg.Workers)
	for range cfg.Workers {
		r.idle <- r.copySDK()
	}
	if err := warmPool(cfg, r.options); err != nil {
		return nil, err
	}
	return r, nil
}

// complete fills in defaults and checks the rest.
func (cfg *Route) complete() error {
	if cfg.Workers == 0 {
		cfg.Workers = DefaultWorkers
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = min(DefaultConnectTimeout, cfg.Timeout)
	}
	u, err := url.Parse("//" + cfg.Endpoint + "/")
	switch {
	case cfg.Name == "" || cfg.Name == codeOther:
		return fmt.Errorf("name must be neither empty nor %q", codeOther)
	case err != nil || u.Host != cfg.Endpoint || u.Hostname() == "":
		return errors.New("endpoint must be host or host:port")
	case cfg.Credentials == nil:
		return errors.New("no credentials")
	case cfg.Workers < 1 || cfg.Workers > MaxWorkers:
		return fmt.Errorf("workers must be 1 to %d", MaxWorkers)
	case cfg.Timeout < time.Millisecond || cfg.ConnectTimeout < 0:
		return errors.New("timeouts must be at least a millisecond")
	}
	return nil
}

func (cfg *Route) scheme() string {
	if cfg.Plain {
		return "http"
	}
	return "https"
}

// copySDK returns a client of its own for one worker: calls write to the client's fields. The
// connections are shared.
func (r *route) copySDK() *dysms.Client {
	sdk := *r.base
	return &sdk
}

// take returns a client to call with, or nil and the code that says why not. It waits while all
// workers are busy, but not beyond before.
func (r *route) take(ctx context.Context, before time.Time, now func() time.Time) (*dysms.Client, string) {
	if ctx.Err() != nil {
		return nil, codeCanceled
	}
	select {
	case sdk := <-r.idle:
		return sdk, ""
	default:
	}
	var late <-chan time.Time
	if !before.IsZero() {
		timer := time.NewTimer(before.Sub(now()))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case sdk := <-r.idle:
		return sdk, ""
	case <-late:
		return nil, codeTooLate
	case <-ctx.Done():
		return nil, codeCanceled
	}
}

// give returns what take gave.
func (r *route) give(sdk *dysms.Client) { r.idle <- sdk }

// keys are the AccessKey for the next call. Its errors are safe to log.
func (r *route) keys() (Keys, error) {
	keys, err := r.Credentials.Keys()
	if err == nil && keys.reveal == nil {
		err = errKeys
	}
	return keys, err
}

// refreshKeys has the credentials fetched anew, if they can be: the API said they have expired.
func (r *route) refreshKeys() {
	if source, ok := r.Credentials.(interface{ Refresh() }); ok {
		source.Refresh()
	}
}

// runtimeOptions are the SDK's options for cfg.
func runtimeOptions(cfg Route, proxy *url.URL) *util.RuntimeOptions {
	o := &util.RuntimeOptions{
		Autoretry:   tea.Bool(false), // it would repeat calls whose answer was lost
		ReadTimeout: tea.Int(int(cfg.Timeout.Milliseconds())),
		// The SDK takes this one in seconds.
		ConnectTimeout: tea.Int(int((cfg.ConnectTimeout + time.Second - 1) / time.Second)),
		MaxIdleConns:   tea.Int(MaxWorkers),
	}
	// Which proxy is used is decided here, by the rules every Go program follows, and told to the
	// SDK. Left to itself it would compare NO_PROXY with host and port, exactly.
	switch {
	case proxy == nil:
		o.NoProxy = tea.String(cfg.Endpoint)
	case cfg.Plain:
		o.HttpProxy = tea.String(proxy.String())
	default:
		o.HttpsProxy = tea.String(proxy.String())
	}
	return o
}

// proxyFor returns the proxy that the environment names for target, nil for none. A proxy that
// cannot be parsed is an error: the SDK would deadlock on it, and ignoring it would let traffic
// out that the operator meant to be proxied.
func proxyFor(target *url.URL) (*url.URL, error) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		u, err := url.Parse(value)
		if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5") {
			// The value may hold a password.
			return nil, fmt.Errorf("environment %s is not a proxy URL (http, https or socks5)", name)
		}
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: target})
	if err != nil {
		return nil, errors.New("the environment's proxy settings cannot be used")
	}
	return proxy, nil
}

// warmPool makes the SDK's connection pool for these options, without a connection. The SDK
// makes it on first use and without a lock around look-up and creation: with several first calls
// at a time each would get a pool of its own. The request ends on a header that no
// http.Transport sends.
func warmPool(cfg Route, o *util.RuntimeOptions) error {
	request := tea.NewRequest()
	request.Protocol = tea.String(cfg.scheme())
	request.Pathname = tea.String("/")
	request.Headers["host"] = tea.String(cfg.Endpoint)
	request.Headers["x-unsendable"] = tea.String("\x00")
	response, err := tea.DoRequest(request, map[string]interface{}{
		"readTimeout":    tea.IntValue(o.ReadTimeout),
		"connectTimeout": tea.IntValue(o.ConnectTimeout),
		"httpProxy":      tea.StringValue(o.HttpProxy),
		"httpsProxy":     tea.StringValue(o.HttpsProxy),
		"noProxy":        tea.StringValue(o.NoProxy),
		"maxIdleConns":   tea.IntValue(o.MaxIdleConns),
	})
	if err == nil {
		_ = response.Body.Close()
		return errors.New("preparing connections: an unsendable request was answered")
	}
	if sent := new(url.Error); !errors.As(err, &sent) {
		return errors.New("preparing connections: the SDK refuses the settings")
	}
	return nil
}

// refuseDebug fails when the environment switches the SDK's debug output on: it prints requests
// with numbers, texts and signatures to standard output, and can only be switched off by the
// environment.
func refuseDebug() error {
	for _, part := range strings.Split(os.Getenv("DEBUG"), ",") {
		if part == "tea" || part == "credential" {
			return fmt.Errorf("aliyun: environment DEBUG=%s makes the SDK print phone numbers and keys; unset it", part)
		}
	}
	return nil
}
