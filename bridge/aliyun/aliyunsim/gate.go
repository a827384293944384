package aliyunsim

import "sync"

// A gate counts the calls inside. Server.Run shuts it and waits until they have left: calls whose connection
// was hijacked are not known to http.Server any more.
type gate struct {
	stop  chan struct{} // closed when the gate is shut: who waits inside gives up
	empty chan struct{} // closed when it is shut and nobody is inside

	mu     sync.Mutex
	inside int  // guarded by mu
	isShut bool // guarded by mu
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isShut {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.isShut && g.inside == 0 {
		close(g.empty)
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isShut {
		return
	}
	g.isShut = true
	close(g.stop)
	if g.inside == 0 {
		close(g.empty)
	}
}
