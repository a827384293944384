package aliyun

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"smppbridge/store"
)

// A dial that hangs is known for what it is, if ConnectTimeout is shorter than Timeout: surely not
// sent. This takes a second, the shortest that the SDK knows.
func TestDialHangs(t *testing.T) {
	route := plainRoute(t, "http://"+fullListener(t))
	route.ConnectTimeout = time.Millisecond
	a := send(t, newClient(t, nil, route), testCall())
	if a.Kind != store.OutcomeRetry || a.Code != "unreachable" {
		t.Errorf("got kind %d, %v; want retry, unreachable", a.Kind, a.Cause)
	}
}

// fullListener is a listener whose queue of connections is full: the kernel answers no more SYNs.
func fullListener(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 8 {
		conn, err := net.DialTimeout("tcp", address, 2*time.Second) // a busy machine alone is not a full queue
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Skip("this kernel queues more connections than it was told to")
	return ""
}
