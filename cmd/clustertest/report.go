//go:build linux

package main

import (
	"fmt"
	"slices"
	"time"
)

// A report is what is printed.
type report struct {
	began time.Time
	rows  []*row
}

// A row is what became of a scene.
type row struct {
	scene   scene
	rounds  int
	failed  int
	sum     tally
	outages []time.Duration
}

func (r *report) begin(o options) {
	r.began = time.Now()
	fmt.Printf("%d nodes, %d rounds of each scene, seed %d\n\n", o.nodes, o.rounds, o.seed)
}

// row begins a scene.
func (r *report) row(s scene) *row {
	w := &row{scene: s}
	r.rows = append(r.rows, w)
	return w
}

// enter prints and counts a round.
func (w *row) enter(number int, r *round, t tally, err error) {
	w.rounds++
	w.sum.add(t)
	if !r.struck.IsZero() {
		w.outages = append(w.outages, r.outage)
	}
	word := "ok  "
	if err != nil || t.bad(r.quiet(w.scene)) > 0 {
		word = "FAIL"
		w.failed++
	}
	fmt.Printf("%s  %-28s %2d  accepted %5d sent %5d refused %4d unanswered %3d", word, w.scene.name, number,
		t.accepted, t.sent, t.refusals, t.unanswered)
	if t.extraAllowed > 0 {
		fmt.Printf(" again %d", t.extraAllowed)
	}
	if t.late > 0 {
		fmt.Printf(" late %d", t.late)
	}
	if !r.struck.IsZero() {
		fmt.Printf(" outage %s at %s", r.outage.Round(10*time.Millisecond), r.outageAt.Round(10*time.Millisecond))
	}
	if r.stall >= stalled {
		fmt.Printf(" (the machine stood still for %s)", r.stall.Round(10*time.Millisecond))
	}
	if w.scene.mixed {
		fmt.Printf(" delivered %.1f%% unknown %d", 100*t.share(), t.unknown)
	}
	fmt.Println()
	if word != "FAIL" {
		return
	}
	if err != nil {
		fmt.Printf("      %v\n", err)
	}
	fmt.Printf("      %s\n", t.String())
	for _, e := range t.examples {
		fmt.Printf("      %s\n", e)
	}
}

// close notes what was found when all rounds were looked at together.
func (w *row) close(late int) {
	if late > 0 && w.sum.doubled+w.sum.ghosts == 0 {
		w.sum.doubled += late
		w.failed++
		fmt.Printf("FAIL  %-28s     %d messages doubled or sent after their round\n", w.scene.name, late)
	}
}

// String says what must not be.
func (t *tally) String() string {
	return fmt.Sprintf("lost %d, doubled %d, ghosts %d, missing %d, extra %d, early %d, wrong %d, over rate %d, over phone %d, "+
		"errors elsewhere %d, cut elsewhere %d, calls/s %d", t.lost, t.doubled, t.ghosts, t.missing, t.extra, t.early, t.wrong,
		t.overRate, t.overPhone, t.errorsOthers, t.cutOther, t.callsPerSecond)
}

// end prints the table, and is an error unless something was played and all of it was as it should be.
func (r *report) end() error {
	fmt.Printf("\n%-28s %6s %8s %8s %5s %5s %6s %7s %6s %6s %5s %5s %5s %6s %5s %7s  %s\n", "scene", "rounds", "accepted", "sent",
		"lost", "twice", "ghosts", "missing", "again", "extra", "early", "late", "wrong", "limits", "errs", "calls/s", "outage median, max")
	failed, rounds := 0, 0
	for _, w := range r.rows {
		failed += w.failed
		rounds += w.rounds
		w.print()
	}
	fmt.Printf("\n%d rounds in %s, %d of them failed\n", rounds, time.Since(r.began).Round(time.Second), failed)
	if failed > 0 || rounds == 0 {
		return errFound
	}
	return nil
}

func (w *row) print() {
	s := &w.sum
	fmt.Printf("%-28s %6d %8d %8d %5d %5d %6d %7d %6d %6d %5d %5d %5d %6d %5d %7d", w.scene.name, w.rounds, s.accepted, s.sent,
		s.lost, s.doubled, s.ghosts, s.missing, s.extraAllowed, s.extra, s.early, s.late, s.wrong, s.overRate+s.overPhone,
		s.errorsOthers+s.cutOther, s.callsPerSecond)
	if n := len(w.outages); n > 0 {
		slices.Sort(w.outages)
		fmt.Printf("  %s, %s", w.outages[n/2].Round(10*time.Millisecond), w.outages[n-1].Round(10*time.Millisecond))
	}
	fmt.Println()
}
