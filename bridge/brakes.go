package bridge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// Brakes are what operators have stopped: an account, a template or a route. They are records of the registry, so they
// hold on all nodes, and until they are released, whoever leads and is restarted meanwhile. What waits behind a
// brake is kept where it is, ends when its validity does, and may be cancelled.

// spaceBrake is the registry's space of brakes; a key is the kind, "/" and the name.
const spaceBrake = "brake"

// Kinds and modes of brakes.
const (
	BrakeAccount  = "account"
	BrakeTemplate = "template"
	BrakeRoute    = "route"

	BrakeHold   = "hold"   // what is accepted is not sent
	BrakeRefuse = "refuse" // and submits are refused
)

// Bounds of what brakes say.
const (
	brakesMost = 10_000 // brakes that are heeded
	reasonMost = 200    // octets
	byMost     = 64
)

// Errors of brakes.
var (
	// ErrBadBrake is wrapped by errors about a brake that cannot be: its kind, mode or texts.
	ErrBadBrake = errors.New("no such brake")
	// ErrUnknownName is wrapped by errors about a name that the policy does not have.
	ErrUnknownName = errors.New("not in the policy in force")
	// ErrTooOld is wrapped by errors of what this cluster cannot do while a member runs an earlier program.
	ErrTooOld = errors.New("a member of the cluster runs an earlier program")

	errBraked = errors.New("an operator has stopped this")
)

// A Brake is something that an operator has stopped.
type Brake struct {
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	Mode    string    `json:"mode"`
	By      string    `json:"by,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"`
	Waiting int       `json:"waiting,omitempty"` // of an account: its messages to be sent
}

// brakeRecord is the value of a record.
type brakeRecord struct {
	Mode   string `json:"mode"`
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
	At     int64  `json:"at"` // Unix ms
}

// brakes are all brakes that are on. They do not change; others come in their place.
type brakes struct {
	list  []Brake
	modes map[string]string // by key; nil: none are on
}

// mode is that of a brake, "" when it is not on.
func (s *brakes) mode(kind, name string) string {
	if s == nil || len(s.modes) == 0 {
		return ""
	}
	return s.modes[kind+"/"+name]
}

func (s *brakes) holds(kind, name string) bool { return s.mode(kind, name) != "" }

// loadBrakes returns the brakes that are on by this node's state.
func (b *Bridge) loadBrakes() (*brakes, error) {
	b.braking.Lock()
	defer b.braking.Unlock()
	cur, version := b.brakes.Load(), b.store.RegistryVersion()
	if cur != nil && version == b.brakesAt {
		return cur, nil
	}
	records, err := b.store.Records(spaceBrake, "", brakesMost)
	if err != nil {
		return cur, fmt.Errorf("read the brakes: %w", err)
	}
	next := &brakes{list: make([]Brake, 0, len(records)), modes: make(map[string]string, len(records))}
	for i := range records {
		x := newBrake(&records[i])
		next.list = append(next.list, x)
		next.modes[records[i].Key] = x.Mode
	}
	b.brakesAt = version
	if cur != nil && slices.Equal(cur.list, next.list) { // another record of the registry has changed
		return cur, nil
	}
	b.brakes.Store(next)
	return next, nil
}

// newBrake reads a record. One that this program does not understand holds: whoever put it wanted something stopped.
func newBrake(r *store.Record) Brake {
	var v brakeRecord
	if json.Unmarshal(r.Value, &v) != nil || v.Mode != BrakeRefuse {
		v.Mode = BrakeHold
	}
	kind, name, _ := strings.Cut(r.Key, "/")
	return Brake{Kind: kind, Name: name, Mode: v.Mode, By: v.By, Reason: v.Reason, At: store.FromMillis(cmp.Or(v.At, r.At)).UTC()}
}

// followBrakes has this node heed each change of the brakes.
func (b *Bridge) followBrakes(ctx context.Context) error {
	changed, stop := b.store.Watch(store.WatchRegistry)
	defer stop()
	for {
		last := b.brakes.Load()
		switch now, err := b.loadBrakes(); {
		case err != nil:
			b.log.ErrorContext(ctx, "brakes not read", "err", err)
		case now != last:
			signal(b.renewed)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// braked is why a message of an account, or for a template, may not be submitted now; nil if it may.
func (b *Bridge) braked(kind, name string) error {
	if b.brakes.Load().mode(kind, name) != BrakeRefuse {
		return nil
	}
	b.metrics.braked.WithLabelValues(kind).Inc()
	return &smpp.StatusError{Status: smpp.StatusThrottled, Err: errBraked}
}

// Brakes lists what is stopped by this node's state, in order of kind and name.
func (b *Bridge) Brakes() ([]Brake, error) {
	now, err := b.loadBrakes()
	if err != nil {
		return nil, err
	}
	list := slices.Clone(now.list)
	for i := range list {
		if list[i].Kind == BrakeAccount {
			list[i].Waiting = b.waiting(list[i].Name)
		}
	}
	return list, nil
}

// waiting counts the messages of an account that are to be sent, now or later.
func (b *Bridge) waiting(account string) (count int) {
	for _, lane := range lanes {
		for _, a := range b.store.DueAccounts(lane) {
			if a.Account == account {
				count += a.Count
			}
		}
	}
	return count
}

// SetBrake stops something, or changes how it is stopped. It returns once that is committed; each node heeds it when it
// has applied it. A call that was begun before goes on.
func (b *Bridge) SetBrake(ctx context.Context, x Brake) error {
	if err := b.checkBrake(&x); err != nil {
		return err
	}
	value, err := json.Marshal(brakeRecord{Mode: x.Mode, By: x.By, Reason: x.Reason, At: b.now().UnixMilli()})
	if err != nil {
		return err
	}
	if _, err := b.putRecord(ctx, store.PutItem{Space: spaceBrake, Key: x.Kind + "/" + x.Name, Value: value}); err != nil {
		return fmt.Errorf("stop %s %s: %w", x.Kind, x.Name, err)
	}
	b.log.InfoContext(ctx, "stopped", "kind", x.Kind, "name", x.Name, "mode", x.Mode, "by", x.By)
	return nil
}

func (b *Bridge) checkBrake(x *Brake) error {
	pol := b.policy.Load()
	known := false
	switch x.Kind {
	case BrakeAccount:
		known = pol.accounts[x.Name] != nil
	case BrakeTemplate:
		known = pol.templates[x.Name] != nil
	case BrakeRoute:
		known = pol.routes[x.Name] != nil
	default:
		return fmt.Errorf("kind %q: %w; there are account, template and route", x.Kind, ErrBadBrake)
	}
	switch {
	case x.Mode != BrakeHold && x.Mode != BrakeRefuse:
		return fmt.Errorf("mode %q: %w; there are hold and refuse", x.Mode, ErrBadBrake)
	case x.Mode == BrakeRefuse && x.Kind == BrakeRoute:
		return fmt.Errorf("refuse for a route: %w; a message is not submitted to a route", ErrBadBrake)
	case len(x.Reason) > reasonMost || len(x.By) > byMost:
		return fmt.Errorf("reason or by of more than %d or %d octets: %w", reasonMost, byMost, ErrBadBrake)
	case !known: // a typing error would stop nothing, and nobody would notice
		return fmt.Errorf("%s %q: %w", x.Kind, x.Name, ErrUnknownName)
	}
	return nil
}

// ReleaseBrake lets go what was stopped. It reports whether it was.
func (b *Bridge) ReleaseBrake(ctx context.Context, kind, name string) (was bool, err error) {
	was, err = b.putRecord(ctx, store.PutItem{Space: spaceBrake, Key: kind + "/" + name})
	if err != nil {
		return false, fmt.Errorf("resume %s %s: %w", kind, name, err)
	}
	if was {
		b.log.InfoContext(ctx, "resumed", "kind", kind, "name", name)
	}
	return was, nil
}

// putRecord commits a record of the registry, and reports whether that changed anything.
func (b *Bridge) putRecord(ctx context.Context, it store.PutItem) (changed bool, err error) {
	cmd := &store.Put{Items: []store.PutItem{it}}
	if b.store.ClusterVersion() < store.Since(cmd) {
		return false, ErrTooOld
	}
	res, err := b.settle(ctx, cmd)
	if err != nil {
		return false, err
	}
	r, ok := res.(*store.PutResult)
	if !ok || len(r.Changed) != 1 {
		return false, fmt.Errorf("result %T", res)
	}
	return r.Changed[0], nil
}
