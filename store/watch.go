package store

// A Topic is what a watcher waits for.
type Topic uint8

// The topics.
const (
	WatchSend     Topic = 1 // a message became due to be sent, now or later
	WatchOutbox   Topic = 2 // a receipt entered an outbox
	WatchPolicy   Topic = 3 // a new version of the policy is in force
	WatchResolve  Topic = 4 // an attempt became uncertain, or is to be asked about again
	WatchOutcome  Topic = 5 // a Finish, Close, Found or Report changed a status: who waits for an attempt's outcome looks again
	WatchRegistry Topic = 6 // a record of the registry changed
)

type watcher struct {
	topic Topic
	c     chan struct{}
}

// Watch returns a channel that gets a token after every Apply, or Restore, that touched the
// topic; a token that nobody has taken yet stands for later ones too. Each call makes a watcher
// of its own; cancel removes it.
func (s *Store) Watch(t Topic) (c <-chan struct{}, cancel func()) {
	w := &watcher{topic: t, c: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[w] = struct{}{}
	return w.c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, w)
	}
}

// wake gives a token to the watchers of the topics, a set of bits. s.mu is held.
func (s *Store) wake(topics uint16) {
	if topics == 0 {
		return
	}
	for w := range s.watchers {
		if topics&(1<<w.topic) == 0 {
			continue
		}
		select {
		case w.c <- struct{}{}:
		default:
		}
	}
}
