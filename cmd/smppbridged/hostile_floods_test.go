package main

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/smpp"
)

// floodCases are more than anybody needs of what is right. Who does not read what he is sent is not read any more, and
// then cut; who reads is answered.
func floodCases() []hostileCase {
	link := octetsOf(1, &smpp.EnquireLink{})
	return []hostileCase{
		{"submits whose answers are not read", unread(octetsOf(1, good()), "")},
		{"enquire_links whose answers are not read", unread(link, "")},
		{"queries whose answers are not read", unread(octetsOf(1, &smpp.QuerySM{MessageID: "00000fffff"}), "query_sm")},
		{"unknown commands whose answers are not read", unread(withBody(0xBAD, 1, ""), "")},
		{"submit_multi whose answers are not read", unread(octetsOf(1, multiOf(254, func(i int) smpp.Destination {
			return smpp.Destination{Addr: fmt.Sprint("bad", i)}
		})), "")},
		{"enquire_links", flood("mark", 4, 25_000, link, 0)},
		{"submits", flood("mark", 4, 2_500, octetsOf(1, good()), 0)},
		{"submits above the account's rate", flood("slow", 4, 2_500, octetsOf(1, good()), 0, smpp.StatusThrottled)},
		{"submits above the account's window", flood("mallory", 4, 2_500, octetsOf(1, good()), 0, smpp.StatusMsgQFul)},
		{"submits of 64 KiB", flood("mark", 2, 200, octetsOf(1, good(payload(0, string(repeat(65000, []byte("a")))))), smpp.StatusInvMsgLen)},
		{"responses that nobody asked for", responses},
		{"binds and unbinds", churn},
		{"binds that break off", brokenBinds},
		{"wrong passwords from 200 addresses", wrongFromEverywhere},
		{"wrong passwords from one address", refusedBinds(func(i int) *smpp.Bind {
			b := bindOf("victim", smpp.Transceiver)
			b.Password = fmt.Sprint("private", i)
			return b
		}, smpp.StatusInvPaswd, smpp.StatusBindFail)},
		{"unknown system_ids from one address", refusedBinds(func(i int) *smpp.Bind {
			return bindOf(fmt.Sprint("nobody", i), smpp.Transmitter)
		}, smpp.StatusInvSysID, smpp.StatusBindFail)},
		{"a thousand binds in one connection", manyBinds},
	}
}

// mostUnread is how many octets the node may hold for those who do not read. The kernel holds more, and takes many
// requests before it does.
const mostUnread = 2 << 20

// hostileBindTimeout is bind_timeout of hostileConfig.
const hostileBindTimeout = 5 * time.Second

// mostTaken is how many octets of requests the node may take without being stopped by their answers: those of the
// shortest answers fill the kernel's send buffer, which grows to some MiB, long before.
const mostTaken = 64 << 20

// unread sends b again and again and reads nothing. The node must stop reading, and then cut; how long the answers
// take to fill the kernel's buffers depends on how busy the machine is, so that there is time while it goes on. That it
// has cut is asked of the node: its RST may not fit into the window of one who does not read. And so is whether it goes
// on, by its count of a command that nobody else sends; "" = count none: the kernel takes nothing more from us before the
// node has read some 300 KiB of it, and of requests that wait for the leader that takes a while.
//
// The kernel of one who does not read may run out of room for what comes, and throw away acknowledgements with it. Then
// both directions stand still before the node's buffers are full, and to the node this is an ESME that is silent: it is
// asked by enquire_link, and cut.
func unread(b []byte, command string) func(*testing.T, *hostile) {
	counter := fmt.Sprintf("smppbridge_smpp_pdus_total{command=%q,direction=\"in\"}", command)
	return func(t *testing.T, h *hostile) {
		a := h.attackAs(t, "mute", smpp.Transceiver)
		cut := func() float64 { return h.ends(t, "slow_reader") + h.ends(t, "enquire_link_timeout") }
		before := cut()
		b := repeat(1+(64<<10)/len(b), b)
		moved, written, handled := time.Now(), 0, 0.0
		for cut() == before {
			v, err := h.figure("smppbridge_smpp_buffered_bytes", counter)
			if err != nil || v[0] > mostUnread {
				t.Fatalf("the node holds %v octets, %v", v, err)
			}
			n := a.press(b, written%len(b), 200*time.Millisecond)
			written += n
			if n > 0 || v[1] != handled {
				moved, handled = time.Now(), v[1]
			}
			if time.Since(moved) > attackPatience || written > mostTaken {
				v, err := h.figure("smppbridge_smpp_connections", "smppbridge_smpp_buffered_bytes")
				t.Fatalf("not cut after %d octets; the node has %v connections and buffered octets, %v; its sessions stand at\n%s",
					written, v, err, h.stacks("smpp.(*Session)"))
			}
		}
	}
}

// press sends b again and again for so long, at first from an offset on: PDUs stay whole. It returns how many octets
// were taken.
func (a *attacker) press(b []byte, from int, d time.Duration) (written int) {
	until := time.Now().Add(d)
	if err := a.SetWriteDeadline(until); err != nil {
		return 0
	}
	for {
		n, err := a.Write(b[(from+written)%len(b):])
		written += n
		if err != nil { // the time is over, or it was cut: the node will say so
			return written
		}
	}
}

// ends is how many sessions have ended for a reason.
func (h *hostile) ends(t *testing.T, reason string) float64 {
	t.Helper()
	v, err := h.figure(fmt.Sprintf("smppbridge_smpp_session_ends_total{reason=%q}", reason))
	if err != nil {
		t.Fatal(err)
	}
	return v[0]
}

// flood sends b n times in each of several sessions and reads the answers; each must have one of the statuses.
func flood(account string, sessions, n int, b []byte, statuses ...smpp.Status) func(*testing.T, *hostile) {
	may := statusesOf(statuses...)
	return func(t *testing.T, h *hostile) {
		err := atOnce(sessions, func(int) error {
			a, err := dialFrom(h.source(), h.addr)
			if err != nil {
				return err
			}
			defer a.Close()
			if err := a.bind(account, smpp.Transmitter); err != nil {
				return err
			}
			sent := make(chan error, 1)
			go func() {
				sent <- func() error {
					for left := n; left > 0; left -= min(left, 50) {
						if err := a.raw(repeat(min(left, 50), b)); err != nil {
							return err
						}
					}
					return nil
				}()
			}()
			for k := range n {
				h, _, err := a.next()
				if err != nil {
					return fmt.Errorf("after %d answers: %w", k, err)
				}
				if !may(0, h) {
					return fmt.Errorf("answer %d is %v %v", k, h.ID, h.Status)
				}
			}
			if err := <-sent; err != nil {
				return err
			}
			return a.stays()
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// responses are read and dropped.
func responses(t *testing.T, h *hostile) {
	a := h.attackAs(t, "mark", smpp.Transceiver)
	for range 100 {
		if err := a.raw(repeat(20, everyResponse())); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.stays(); err != nil {
		t.Error(err)
	}
}

// churn binds, submits and unbinds without a pause, eight at a time.
func churn(t *testing.T, h *hostile) {
	err := atOnce(8, func(int) error {
		for range 15 {
			a, err := dialFrom(h.source(), h.addr)
			if err != nil {
				return err
			}
			err = a.raw(join(octetsOf(1, bindOf("mark", smpp.Transceiver)), octetsOf(2, good()), octetsOf(3, &smpp.Unbind{})))
			if err == nil {
				err = a.expect(answer{smpp.BindTransceiverRespID, 0, 1}, submitted(2, 0), answer{smpp.UnbindRespID, 0, 3})
			}
			if err == nil {
				err = a.ends()
			}
			a.Close()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// brokenBinds leaves before the answer.
func brokenBinds(t *testing.T, h *hostile) {
	for i := range 100 {
		a, err := dialFrom(h.source(), h.addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.send(1, bindOf("mark", smpp.Transceiver)); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			a.reset()
		}
		a.Close()
	}
}

// wrongFromEverywhere: while an account's password is guessed from 200 addresses, its owner binds from the
// address where he has bound before, without undue delay.
func wrongFromEverywhere(t *testing.T, h *hostile) {
	owner := func() error {
		a, err := dialFrom(h.home, h.addr)
		if err != nil {
			return err
		}
		defer a.Close()
		return a.bind("victim", smpp.Transceiver)
	}
	if err := owner(); err != nil {
		t.Fatal(err)
	}
	guessing := make(chan error, 1)
	var refused atomic.Int32
	go func() {
		guessing <- atOnce(200, func(i int) error {
			return h.refusedOrCut(&refused, h.source(), bindWith("victim", fmt.Sprint("guess", i)), smpp.StatusInvPaswd, smpp.StatusBindFail)
		})
	}()
	for range 5 {
		began := time.Now()
		if err := owner(); err != nil {
			t.Errorf("the owner: %v", err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the owner waited %v", took)
		}
	}
	if err := <-guessing; err != nil || refused.Load() == 0 {
		t.Errorf("%d of the others were refused, %v", refused.Load(), err)
	}
}

func bindWith(account, password string) *smpp.Bind {
	b := bindOf(account, smpp.Transceiver)
	b.Password = password
	return b
}

// refusedOrCut is a refusedBind among many. Passwords are looked at one after the other: on a busy machine bind_timeout may
// be over before it is this one's turn, who is cut then. refused counts the others.
func (h *hostile) refusedOrCut(refused *atomic.Int32, from net.IP, b *smpp.Bind, statuses ...smpp.Status) error {
	began := time.Now()
	err := h.refusedBind(from, b, statuses...)
	switch {
	case err == nil:
		refused.Add(1)
	case isClosed(err) && time.Since(began) > hostileBindTimeout-time.Second/2:
		return nil
	}
	return err
}

// refusedBind is one bind that must be refused, and closed.
func (h *hostile) refusedBind(from net.IP, b *smpp.Bind, statuses ...smpp.Status) error {
	a, err := dialFrom(from, h.addr)
	if err != nil {
		return err
	}
	defer a.Close()
	if err := a.send(1, b); err != nil {
		return err
	}
	hd, _, err := a.next()
	if err != nil {
		return err
	}
	if !statusesOf(statuses...)(0, hd) {
		return fmt.Errorf("answered %v %v", hd.ID, hd.Status)
	}
	return a.ends()
}

// refusedBinds are 200 of them from one address, twenty at a time.
func refusedBinds(bind func(i int) *smpp.Bind, statuses ...smpp.Status) func(*testing.T, *hostile) {
	return func(t *testing.T, h *hostile) {
		from := h.source()
		var refused atomic.Int32
		err := atOnce(20, func(i int) error {
			for k := range 10 {
				if err := h.refusedOrCut(&refused, from, bind(10*i+k), statuses...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || refused.Load() == 0 {
			t.Errorf("%d were refused, %v", refused.Load(), err)
		}
	}
}

// manyBinds: the first wrong password ends the connection; the others are not looked at.
func manyBinds(t *testing.T, h *hostile) {
	a := h.attack(t)
	var b []byte
	for i := range 1000 {
		b = smpp.Append(b, 0, uint32(i), bindWith("victim", fmt.Sprint("many", i)))
	}
	if err := a.raw(b); err != nil && !isClosed(err) {
		t.Fatal(err)
	}
	hd, _, err := a.next()
	if err != nil || hd.Sequence != 0 || hd.Status != smpp.StatusInvPaswd && hd.Status != smpp.StatusBindFail {
		t.Fatalf("%v %v %d, %v", hd.ID, hd.Status, hd.Sequence, err)
	}
	if err := a.ends(); err != nil {
		t.Error(err)
	}
}
