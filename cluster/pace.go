package cluster

import "time"

// A pacer slows a stream down. What is sent goes through the same processors and disks as the proposals:
// while some wait the stream rests for as long as it works, so that it takes what they leave, and at most
// half.
type pacer struct {
	rate int64       // octets a second, at most
	busy func() bool // whether somebody waits for what the stream uses
	now  func() time.Time
	rest func(time.Duration)

	woke time.Time // when the last rest ended; zero = nothing was sent yet
	debt time.Duration
}

// shortestRest is the shortest time that is slept: less is saved up.
const shortestRest = 2 * time.Millisecond

// longestRest bounds a rest: whoever closes the stream waits for it.
const longestRest = 100 * time.Millisecond

func newPacer(rate int64, busy func() bool) *pacer {
	return &pacer{rate: rate, busy: busy, now: time.Now, rest: time.Sleep}
}

// sent notes that n octets more go out, and rests.
func (p *pacer) sent(n int) {
	now := p.now()
	if p.woke.IsZero() {
		p.woke = now
	}
	worked := now.Sub(p.woke)
	owed := max(time.Duration(n)*time.Second/time.Duration(p.rate)-worked, 0)
	if p.busy() {
		owed = max(owed, min(worked, longestRest))
	}
	p.debt += owed
	for p.debt >= shortestRest {
		begin := p.now()
		p.rest(min(p.debt, longestRest))
		p.debt = max(p.debt-p.now().Sub(begin), 0)
	}
	p.woke = p.now()
}
