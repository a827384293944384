package smpp

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Defaults of Options and Config.
const (
	DefaultWindow          = 1000
	DefaultDeliverWindow   = 100
	DefaultEnquireLink     = 30 * time.Second
	DefaultResponseTimeout = 10 * time.Second
	DefaultBindTimeout     = 10 * time.Second
	DefaultWriteTimeout    = 10 * time.Second
	DefaultMaxSessions     = 10000
	DefaultMaxUnbound      = 1000
	DefaultMaxPerAddress   = 100
	DefaultMaxBuffered     = 256 << 20
)

// ErrorBody says what follows the header of a response that carries an error.
// The standard says nothing; clients in the field are of several minds.
type ErrorBody uint8

// What may follow an error's header.
const (
	// ErrorBodyUsual is what most clients take: an empty message_id in a
	// submit_sm_resp, data_sm_resp or submit_multi_resp, an empty system_id in
	// a bind_transceiver_resp, nothing in the responses to the other two binds.
	ErrorBodyUsual ErrorBody = iota
	ErrorBodyNone            // never anything, the letter of the standard
	ErrorBodyEmpty           // always one empty C-octet string
)

// Options is what a bound session may do. A zero field means its default.
type Options struct {
	SystemID        string        // sent in bind_resp: the message centre's; default Config.SystemID
	Window          int           // unanswered submit_sm before we stop reading
	DeliverWindow   int           // unanswered deliver_sm
	EnquireLink     time.Duration // silence before we ask whether the ESME is alive
	ResponseTimeout time.Duration // how long the ESME has to answer a request of ours
	ErrorBody       ErrorBody     // of submit_sm_resp, data_sm_resp and submit_multi_resp
}

func (o Options) withDefaults(cfg *Config) Options {
	if o.SystemID == "" {
		o.SystemID = cfg.SystemID
	}
	o.Window = orDefault(o.Window, DefaultWindow)
	o.DeliverWindow = orDefault(o.DeliverWindow, DefaultDeliverWindow)
	o.EnquireLink = orDefault(o.EnquireLink, DefaultEnquireLink)
	o.ResponseTimeout = orDefault(o.ResponseTimeout, DefaultResponseTimeout)
	return o
}

// Config is what all sessions of a Server share. A zero field means its default.
type Config struct {
	SystemID             string        // sent in bind_resp where Options has none
	BindTimeout          time.Duration // from connect to a bind request that is answered
	WriteTimeout         time.Duration // without one octet leaving before a session is cut
	MaxSessions          int           // connections at once; more are closed on accept
	MaxUnbound           int           // of them not yet bound
	MaxUnboundPerAddress int           // of those, from one IPv4 address or one IPv6 /64
	MaxBuffered          int           // octets read or waiting to be written, over all sessions
	BindErrorBody        ErrorBody     // of bind_resp
	Congestion           func() int    // how full the message centre is, 0 to 100, for clients of SMPP 5.0; nil: not told. Must be quick
	Log                  *slog.Logger  // nil: none
	Registerer           prometheus.Registerer
}

func (c Config) withDefaults() Config {
	c.BindTimeout = orDefault(c.BindTimeout, DefaultBindTimeout)
	c.WriteTimeout = orDefault(c.WriteTimeout, DefaultWriteTimeout)
	c.MaxSessions = orDefault(c.MaxSessions, DefaultMaxSessions)
	c.MaxUnbound = orDefault(c.MaxUnbound, DefaultMaxUnbound)
	c.MaxUnboundPerAddress = orDefault(c.MaxUnboundPerAddress, DefaultMaxPerAddress)
	c.MaxBuffered = orDefault(c.MaxBuffered, DefaultMaxBuffered)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// tick is how often timers are looked at: they are late by at most so much.
func (c *Config) tick() time.Duration {
	shortest := min(c.BindTimeout, c.WriteTimeout)
	return min(max(shortest/4, 5*time.Millisecond), 250*time.Millisecond)
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}
