package cluster

// What two nodes say in their hellos may be overtaken: one that belonged to no cluster when it was greeted
// belongs to one a moment later, perhaps not to the other one's. So connections are looked at again.

// review ends the connections with those who do not belong to what this node is now.
func (p *port) review() {
	self := p.self()
	p.part(func(c *portConn) error { return self.fits(c.peer) })
}

// meet takes what a node says of itself at a later time than in its hello. If it does not fit, all
// connections with that node are ended; the next hello will refuse it.
func (p *port) meet(peer identity) error {
	err := p.self().fits(peer)
	if err == nil {
		return nil
	}
	p.part(func(c *portConn) error {
		if c.peer.node != peer.node {
			return nil
		}
		return err
	})
	return err
}

// part ends the greeted connections that there is something against.
func (p *port) part(against func(*portConn) error) {
	ended := make(map[*portConn]error)
	p.mu.Lock()
	for c := range p.conns {
		if c.peer.node == "" {
			continue
		}
		if err := against(c); err != nil {
			ended[c] = err
		}
	}
	p.mu.Unlock()
	for c, err := range ended {
		p.refused("ended a connection", c.RemoteAddr(), err)
		_ = c.Close()
	}
}
