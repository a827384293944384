//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// mtu is Ethernet's, so that a loss loses what it would there.
const mtu = 1500

// A namespace is a network namespace with one device, whose other end is in this program's hands.
type namespace struct {
	file *os.File // keeps it alive
	tun  *os.File // what its device sends is read here; what is written here the device receives
}

// newNamespace makes a namespace whose device has that address in a /24.
func newNamespace(ip net.IP) (*namespace, error) {
	n := &namespace{}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("%w: unshare: %w", errNoPlace, err)
		}
		if err := loopbackUp(); err != nil {
			return err
		}
		var err error
		if n.tun, err = newTUN(ip); err != nil {
			return err
		}
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return n, err
}

// onThread runs f on a thread of its own, which ends afterwards: what f did to it, nobody inherits.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}

// do runs f on a thread that is in the namespace. Sockets that f makes and programs it starts stay there.
func (n *namespace) do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("setns: %w", err)
		}
		return f()
	})
}

// start starts a program in the namespace.
func (n *namespace) start(cmd *exec.Cmd) error { return n.do(cmd.Start) }

// dial connects from inside the namespace, for example to its loopback device.
func (n *namespace) dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = n.do(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// newTUN makes a device in the calling thread's namespace. Further addresses are its aliases.
func newTUN(ips ...net.IP) (*os.File, error) {
	const name = "wire0"
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: open /dev/net/tun: %w", errNoPlace, err)
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("%w: make a TUN device: %w", errNoPlace, err)
	}
	for i, ip := range ips {
		alias := name
		if i > 0 {
			alias = fmt.Sprintf("%s:%d", name, i)
		}
		if err := setUp(alias, ip); err != nil {
			_ = unix.Close(fd)
			return nil, err
		}
	}
	return os.NewFile(uintptr(fd), name), nil // not before TUNSETIFF: only then can it be polled
}

// loopbackUp brings the loopback device of the calling thread's namespace up.
func loopbackUp() error { return setUp("lo", nil) }

// setUp gives a device its address, if there is one, and brings it up.
func setUp(name string, ip net.IP) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	step := func(request uint, set func(*unix.Ifreq)) {
		if err != nil {
			return
		}
		var ifr *unix.Ifreq
		if ifr, err = unix.NewIfreq(name); err == nil {
			set(ifr)
			err = unix.IoctlIfreq(fd, request, ifr)
		}
	}
	if ip != nil {
		step(unix.SIOCSIFADDR, func(r *unix.Ifreq) { err = r.SetInet4Addr(ip.To4()) })
		step(unix.SIOCSIFNETMASK, func(r *unix.Ifreq) { err = r.SetInet4Addr([]byte{255, 255, 255, 0}) })
		step(unix.SIOCSIFMTU, func(r *unix.Ifreq) { r.SetUint32(mtu) })
	}
	step(unix.SIOCSIFFLAGS, func(r *unix.Ifreq) { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING) })
	if err != nil {
		return fmt.Errorf("bring %s up: %w", name, err)
	}
	return nil
}
