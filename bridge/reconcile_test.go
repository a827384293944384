package bridge

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// statistics plays what the API knows of the days.
type statistics struct {
	mu    sync.Mutex
	sent  map[string]int64 // guarded by mu; by route
	fails map[string]bool  // guarded by mu; routes by which nobody can be asked
	asked []string         // guarded by mu; route and day
}

func (s *statistics) Totals(_ context.Context, route string, day time.Time) ([]DayTotal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, route+" "+day.In(reconcileZone).Format(dayFormat))
	if s.fails[route] {
		return nil, errors.New("no answer")
	}
	if day.In(reconcileZone).Format(dayFormat) != "20000101" {
		return nil, nil
	}
	return []DayTotal{{Kind: KindNotice, Sent: s.sent[route]}}, nil
}

// was returns what was asked, and forgets it.
func (s *statistics) was() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := strings.Join(s.asked, ", ")
	s.asked = nil
	return list
}

func (s *statistics) fail(routes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = map[string]bool{}
	for _, r := range routes {
		s.fails[r] = true
	}
}

// inReconcile runs f with a Reconciler at work, on 2000-01-01, 08:00 of UTC+8, after 5 messages by route a1 of account a and
// 3 by route one of account default, of which the API counts 4.
func inReconcile(t *testing.T, f func(t *testing.T, r *rig, s *statistics, reg *prometheus.Registry)) {
	s := &statistics{sent: map[string]int64{"a1": 5, "a2": 5, "one": 4}}
	inWays(t, func(t *testing.T, r *rig) {
		if _, err := r.node.apply(&store.Raise{Version: store.Version}); err != nil {
			t.Fatal(err)
		}
		r.putPolicy(waysPolicy + "reconcile: \"10:00\"\n")
		r.Resume()
		pass(time.Second)
		r.bind("main", smpp.Transmitter).submits("知hello", 5)
		r.bind("one", smpp.Transmitter).submits("知hello", 3)
		pass(2 * time.Second)
		reg := prometheus.NewRegistry()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		rec := NewReconciler(r.Bridge, s, reg)
		go func() { done <- rec.Run(ctx) }()
		defer func() { cancel(); <-done }()
		f(t, r, s, reg)
	})
}

// difference is the metric of an account; "none" if there is none.
func difference(t *testing.T, reg *prometheus.Registry, account string) string {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		for _, m := range family.GetMetric() {
			if l := m.GetLabel(); family.GetName() == "smppbridge_bridge_reconcile_difference_messages" && l[0].GetValue() == account && l[1].GetValue() == KindAll {
				return fmt.Sprint(m.GetGauge().GetValue())
			}
		}
	}
	return "none"
}

// TestReconcile: from the set time of day on, the day before is compared once for each Alibaba Cloud account; what was found is
// recorded for the next leader, shown as a metric and, where nothing explains a difference, logged as a warning.
func TestReconcile(t *testing.T) {
	inReconcile(t, func(t *testing.T, r *rig, s *statistics, reg *prometheus.Registry) {
		r.jump(2, 2*time.Hour)
		pass(reconcileEvery)
		s.was() // of the day before, on which nothing was sent
		r.jump(11, 2*time.Hour)
		pass(reconcileEvery)
		if got, want := s.was(), "a1 20000101, b1 20000101, one 20000101"; got != want {
			t.Errorf("at ten asked %q, want %q", got, want)
		}
		for account, want := range map[string]string{"a": "0", "b": "0", "default": "1"} {
			if got := difference(t, reg, account); got != want {
				t.Errorf("account %s: difference %s, want %s", account, got, want)
			}
			if _, ok := r.store.Record(spaceReconcile, "20000101/"+account); !ok {
				t.Errorf("account %s: nothing recorded", account)
			}
		}
		if log := r.logs.String(); strings.Count(log, "counts differ") != 1 || !strings.Contains(log, "level=WARN msg=\"counts differ") {
			t.Errorf("the difference is not logged once as a warning")
		}
		r.jump(5, 2*time.Hour)
		if got := s.was(); got != "" {
			t.Errorf("later that day asked again: %s", got)
		}
		r.jump(7, 2*time.Hour)
		pass(reconcileEvery)
		if got, want := s.was(), "a1 20000102, b1 20000102, one 20000102"; got != want {
			t.Errorf("on the next day asked %q, want %q", got, want)
		}
	})
}

// TestReconcileNextLeader: a new leader shows what was found, and does not ask again.
func TestReconcileNextLeader(t *testing.T) {
	inReconcile(t, func(t *testing.T, r *rig, s *statistics, _ *prometheus.Registry) {
		r.jump(13, 2*time.Hour)
		pass(reconcileEvery)
		s.was()
		reg := prometheus.NewRegistry()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		rec := NewReconciler(r.Bridge, s, reg)
		go func() { done <- rec.Run(ctx) }()
		pass(reconcileEvery)
		if got := difference(t, reg, "default"); got != "1" || s.was() != "" {
			t.Errorf("the next leader shows %s, want 1 without asking", got)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if got := difference(t, reg, "default"); got != "none" {
			t.Errorf("after its reign it shows %s", got)
		}
	})
}

// TestReconcileFails: where one route of an account gets no answer another one is asked, and where none does all of them
// again after a while.
func TestReconcileFails(t *testing.T) {
	inReconcile(t, func(t *testing.T, r *rig, s *statistics, _ *prometheus.Registry) {
		r.jump(2, 2*time.Hour)
		pass(reconcileEvery)
		s.was()
		s.fail("a1", "b1")
		r.jump(11, 2*time.Hour)
		pass(reconcileEvery)
		if got, want := s.was(), "a1 20000101, a2 20000101, b1 20000101, one 20000101"; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
		if _, ok := r.store.Record(spaceReconcile, "20000101/b"); ok {
			t.Error("something is recorded of an account that did not answer")
		}
		s.fail()
		pass(reconcileAgain / 2)
		if got := s.was(); got != "" {
			t.Errorf("asked at once again: %s", got)
		}
		pass(reconcileAgain)
		if got := s.was(); got != "b1 20000101" {
			t.Errorf("later asked %q, want the account that did not answer", got)
		}
		if _, ok := r.store.Record(spaceReconcile, "20000101/b"); !ok {
			t.Error("nothing recorded when it answered")
		}
	})
}

// TestReconcileByCatalog: the account's catalog tells the kinds of templates whose classes have names of the operator's own.
func TestReconcileByCatalog(t *testing.T) {
	inReconcile(t, func(t *testing.T, r *rig, s *statistics, _ *prometheus.Registry) {
		c := Catalog{Account: "a", Templates: []CatalogTemplate{{Code: "SMS_2", Type: KindPromotion}, {Code: "SMS_3", Type: "other"}}}
		value, err := c.pack()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.node.apply(&store.Put{Items: []store.PutItem{{Space: spaceCatalog, Key: "a", Value: value}}}); err != nil {
			t.Fatal(err)
		}
		list, err := NewReconciler(r.Bridge, s, nil).Compare(t.Context(), r.now())
		if err != nil || len(list[0].Kinds) != 3 || list[0].Kinds[2].Kind != KindPromotion || list[0].Kinds[2].Ours.Sent != 5 {
			t.Errorf("got %+v, %v; want the five of account a as promotion", list[0].Kinds, err)
		}
		if got := list[2].Kinds; len(got) != 1 {
			t.Errorf("got %+v of an account without a catalog, want all kinds together", got)
		}
	})
}

// TestReconcileNever: without a time of day nobody is asked.
func TestReconcileNever(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		s := &statistics{}
		rec := NewReconciler(r.Bridge, s, nil)
		rec.tried = map[string]time.Time{}
		rec.round(t.Context())
		if got := s.was(); got != "" {
			t.Errorf("asked %s", got)
		}
		if list, err := rec.Compare(t.Context(), r.now()); err != nil || len(list) != 3 {
			t.Errorf("an operator gets %d accounts, %v, want 3", len(list), err)
		}
	})
}

// TestReconcileKinds: counts are put side by side by kind, for one account and only where the kind of all templates is known.
func TestReconcileKinds(t *testing.T) {
	p := &policy{
		templates: map[string]*approved{
			"SMS_1": {Template: configs.Template{Class: configs.ClassOTP}}, "SMS_2": {Template: configs.Template{Class: configs.ClassNotice}},
			"SMS_3": {Template: configs.Template{Class: configs.ClassNotice}}, "SMS_4": {Template: configs.Template{Class: "own"}},
		},
		routes: map[string]*route{"r1": newRoute(&configs.Route{Name: "r1", Account: "a"}), "r2": newRoute(&configs.Route{Name: "r2", Account: "a"}),
			"r3": newRoute(&configs.Route{Name: "r3", Account: "b"})},
	}
	days := []store.DayCount{
		{Route: "r1", Template: "SMS_1", Sent: 10, Segments: 10, Delivered: 7, Failed: 2},
		{Route: "r2", Template: "SMS_2", Sent: 20, Segments: 35, Delivered: 20},
		{Route: "r2", Template: "SMS_3", Sent: 1, Segments: 1, Uncertain: 2},
		{Route: "r3", Template: "SMS_1", Sent: 100},
		{Route: "gone", Template: "SMS_1", Sent: 1000},
	}
	totals := []DayTotal{{Kind: KindCode, Sent: 12, Delivered: 9, Failed: 2, Open: 1}, {Kind: KindNotice, Sent: 36}, {Kind: KindPromotion, Sent: 3}}
	want := []KindCount{
		{KindAll, Counts{31, 46, 27, 2, 2, 2}, Counts{51, 0, 9, 2, 1, 0}},
		{KindNotice, Counts{21, 36, 20, 0, 1, 2}, Counts{36, 0, 0, 0, 0, 0}},
		{KindCode, Counts{10, 10, 7, 2, 1, 0}, Counts{12, 0, 9, 2, 1, 0}},
		{KindPromotion, Counts{}, Counts{Sent: 3}},
	}
	got := p.compare("a", days, totals, p.kindOf)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	var differences []int64
	for i := range got {
		differences = append(differences, got[i].Difference())
	}
	if want := []int64{20, 0, 2, 3}; !slices.Equal(differences, want) { // of notices the API counts segments
		t.Errorf("differences %v, want %v", differences, want)
	}
	days = append(days, store.DayCount{Route: "r1", Template: "SMS_4", Sent: 1})
	if got := p.compare("a", days, totals, p.kindOf); len(got) != 1 || got[0].Ours.Sent != 32 {
		t.Errorf("with a template of an unknown kind: %v, want all of them only", got)
	}
	for _, tt := range []struct {
		ours, theirs, uncertain int64
		want                    bool
	}{{5, 5, 0, true}, {5, 7, 2, true}, {5, 8, 2, false}, {5, 4, 2, false}} {
		k := KindCount{Ours: Counts{Sent: tt.ours, Uncertain: tt.uncertain}, Theirs: Counts{Sent: tt.theirs}}
		if got := k.explained(); got != tt.want {
			t.Errorf("%+v: explained %t", tt, got)
		}
	}
}

func TestReconcileMetricsLint(t *testing.T) {
	reg := prometheus.NewRegistry()
	newReconcileMetrics(reg).show(&Reconciled{Day: "20000101", Account: "a", Kinds: []KindCount{{Kind: KindAll}}})
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
