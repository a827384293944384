//go:build linux

package main

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A condition is what one direction between two addresses is like. The zero value is a perfect wire.
type condition struct {
	down          bool
	loss          float64 // of packets, 0 to 1
	delay, jitter time.Duration
}

// A fabric carries IPv4 packets between namespaces and can treat each direction between each two addresses
// differently. It does what tc's netem does, which not every kernel has, and needs no program and no rule of
// the kernel's.
type fabric struct {
	mu    sync.RWMutex
	ports map[netip.Addr]*os.File // guarded by mu; the device behind an address
	links map[direction]*link     // guarded by mu

	done <-chan struct{}
	wait sync.WaitGroup
}

// A direction is from one address to another.
type direction struct{ from, to netip.Addr }

// A link is what lies in one direction.
type link struct {
	cond    atomic.Pointer[condition]
	queue   chan parcel  // packets on a delayed link, in order
	waiting atomic.Int32 // in queue, or in the hands of who empties it
	dropped atomic.Int64
}

// A parcel is a packet and when it arrives.
type parcel struct {
	packet []byte
	due    time.Time
}

// queueLength is how many packets a delayed link holds; what comes beyond is lost, as in a router.
const queueLength = 4096

// newFabric returns one that carries packets until ctx ends.
func newFabric(ctx context.Context) *fabric {
	return &fabric{done: ctx.Done(), ports: map[netip.Addr]*os.File{}, links: map[direction]*link{}}
}

// attach connects a device, which has those addresses. Its packets are carried until it is closed.
func (f *fabric) attach(ctx context.Context, tun *os.File, ips ...net.IP) {
	f.mu.Lock()
	for _, ip := range ips {
		f.ports[toAddr(ip)] = tun
	}
	f.mu.Unlock()
	f.wait.Go(func() {
		stop := context.AfterFunc(ctx, func() { _ = tun.Close() })
		defer stop()
		buf := make([]byte, 1<<16)
		for {
			n, err := tun.Read(buf)
			if err != nil {
				return // closed
			}
			f.carry(buf[:n])
		}
	})
}

// set makes one direction as c says, from now on.
func (f *fabric) set(from, to net.IP, c condition) {
	f.link(direction{toAddr(from), toAddr(to)}).cond.Store(&c)
}

// clear makes all directions perfect.
func (f *fabric) clear() {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, l := range f.links {
		l.cond.Store(&condition{})
	}
}

func toAddr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip.To4())
	return a
}

// link returns the link of a direction, which is made when it is first asked for.
func (f *fabric) link(d direction) *link {
	f.mu.RLock()
	l := f.links[d]
	f.mu.RUnlock()
	if l != nil {
		return l
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if l = f.links[d]; l == nil {
		l = &link{queue: make(chan parcel, queueLength)}
		l.cond.Store(&condition{})
		f.links[d] = l
		f.wait.Go(func() { f.deliverLate(l) })
	}
	return l
}

// carry takes a packet from its sender: it is lost, delivered at once, or queued. The octets are the caller's.
func (f *fabric) carry(packet []byte) {
	const header = 20 // octets of IPv4's
	if len(packet) < header || packet[0]>>4 != 4 {
		return
	}
	d := direction{netip.AddrFrom4([4]byte(packet[12:16])), netip.AddrFrom4([4]byte(packet[16:20]))}
	l := f.link(d)
	c := l.cond.Load()
	switch {
	case c.down || c.loss > 0 && rand.Float64() < c.loss:
		l.dropped.Add(1)
	case c.delay == 0 && c.jitter == 0 && l.waiting.Load() == 0:
		f.deliver(packet)
	default:
		l.add(packet, c.delay+time.Duration(rand.Float64()*float64(2*c.jitter))-c.jitter)
	}
}

// add queues a copy of a packet.
func (l *link) add(packet []byte, delay time.Duration) {
	l.waiting.Add(1)
	select {
	case l.queue <- parcel{append([]byte(nil), packet...), time.Now().Add(delay)}:
	default:
		l.waiting.Add(-1)
		l.dropped.Add(1)
	}
}

// deliverLate delivers what is queued, each packet at its time and none before the one ahead of it.
func (f *fabric) deliverLate(l *link) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-f.done:
			return
		case p := <-l.queue:
			timer.Reset(time.Until(p.due))
			select {
			case <-f.done:
				return
			case <-timer.C:
			}
			f.deliver(p.packet)
			l.waiting.Add(-1)
		}
	}
}

// deliver hands a packet to the device that has its destination.
func (f *fabric) deliver(packet []byte) {
	f.mu.RLock()
	tun := f.ports[netip.AddrFrom4([4]byte(packet[16:20]))]
	f.mu.RUnlock()
	if tun != nil {
		_, _ = tun.Write(packet) // a device whose queue is full loses packets, as devices do
	}
}
