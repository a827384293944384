package main

import (
	"time"

	"smppbridge/smpp"
)

// A series is what happened second by second, from the start of the run.
type series struct {
	rows  []second
	resp  *histogram // of the current second; intended time to submit_sm_resp
	whole *histogram // of the current second; intended time to receipt
}

// A second is a row of a series. Its times are those of what was read in it.
type second struct {
	Second    int     `json:"second"`    // from 0
	Submitted uint64  `json:"submitted"` // written in it, of those that were answered in the end
	Accepted  uint64  `json:"accepted"`
	Refused   uint64  `json:"refused"`
	Receipts  uint64  `json:"receipts"` // that completed a message
	RespP50   float64 `json:"resp_p50"` // milliseconds from the intended time to the submit_sm_resp
	RespP99   float64 `json:"resp_p99"`
	RespMax   float64 `json:"resp_max"`
	DoneP50   float64 `json:"done_p50"` // to the receipt
	DoneP99   float64 `json:"done_p99"`
}

func newSeries() *series {
	return &series{rows: []second{{}}, resp: new(histogram), whole: new(histogram)}
}

// advance begins the second of now. What another bind read in the one before and
// hands in later counts in the new one.
func (s *series) advance(now time.Duration) {
	for len(s.rows) <= int(now/time.Second) {
		s.finish()
		s.rows = append(s.rows, second{Second: len(s.rows)})
	}
}

// finish computes what the last row can have only at its end.
func (s *series) finish() {
	row := &s.rows[len(s.rows)-1]
	row.RespP50, row.RespP99, row.RespMax = ms(s.resp.quantile(0.5)), ms(s.resp.quantile(0.99)), ms(s.resp.max)
	row.DoneP50, row.DoneP99 = ms(s.whole.quantile(0.5)), ms(s.whole.quantile(0.99))
	if s.resp.count > 0 {
		*s.resp = histogram{}
	}
	if s.whole.count > 0 {
		*s.whole = histogram{}
	}
}

// answered counts a submit_sm_resp in the current second, and its submit_sm in that
// in which it was written.
func (s *series) answered(now time.Duration, a *answer) {
	row := &s.rows[len(s.rows)-1]
	if a.status == smpp.StatusOK {
		row.Accepted++
	} else {
		row.Refused++
	}
	s.resp.add(now - a.at)
	if i := int((a.at + a.late) / time.Second); i < len(s.rows) {
		s.rows[i].Submitted++
	}
}

// completed counts a message whose receipt came.
func (s *series) completed(delay time.Duration) {
	s.rows[len(s.rows)-1].Receipts++
	s.whole.add(delay)
}

// result is the whole series, once, at the end.
func (s *series) result() []second {
	s.finish()
	return s.rows
}
