package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// A stream of the mesh carries one request and its answer:
//
//	request  subject (1+n)  octets (4+n)
//	answer   status (1)     octets (4+n), of the answer or of the text of an error
const (
	answerOK    byte = 0
	answerError byte = 1
)

// maxErrorText bounds the text of an error that travels.
const maxErrorText = 512

// requestTimeout bounds the wait for the octets of a request, and for the peer to take an answer.
const requestTimeout = 30 * time.Second

// maxRequest bounds requests and answers about a subject.
func maxRequest(subject string) int {
	if subject == subjectPropose {
		return maxCommandBytes + maxErrorText
	}
	return maxAsk
}

func encodeRequest(subject string, request []byte) []byte {
	b := make([]byte, 0, 5+len(subject)+len(request))
	b = appendName(b, subject)
	b = binary.BigEndian.AppendUint32(b, uint32(len(request)))
	return append(b, request...)
}

func readRequest(r io.Reader) (subject string, request []byte, err error) {
	if subject, err = readName(r); err != nil {
		return "", nil, err
	}
	request, err = readOctets(r, maxRequest(subject))
	return subject, request, err
}

func readOctets(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if uint64(size) > uint64(limit) {
		return nil, fmt.Errorf("%d octets where %d may be", size, limit)
	}
	b := make([]byte, size)
	_, err := io.ReadFull(r, b)
	return b, err
}

func encodeAnswer(answer []byte, err error) []byte {
	status := answerOK
	if err != nil {
		status, answer = answerError, []byte(err.Error())
		answer = answer[:min(len(answer), maxErrorText)]
	}
	b := make([]byte, 0, 5+len(answer))
	b = append(b, status)
	b = binary.BigEndian.AppendUint32(b, uint32(len(answer)))
	return append(b, answer...)
}

// readAnswer returns an answer of at most limit octets, or the error of the node asked.
func readAnswer(r io.Reader, limit int) ([]byte, error) {
	var status [1]byte
	if _, err := io.ReadFull(r, status[:]); err != nil {
		return nil, fmt.Errorf("no answer: %w", err)
	}
	answer, err := readOctets(r, limit)
	switch {
	case err != nil:
		return nil, fmt.Errorf("answer: %w", err)
	case status[0] == answerOK:
		return answer, nil
	case status[0] == answerError:
		return nil, fmt.Errorf("answered: %s", answer)
	}
	return nil, fmt.Errorf("answer of status %d", status[0])
}

// accept serves the connections that other nodes make, until ctx ends.
func (m *mesh) accept(ctx context.Context) {
	for {
		select {
		case conn := <-m.port.mesh:
			if !m.spawn(func() { m.serve(ctx, conn) }) {
				conn.Close()
			}
		case <-ctx.Done():
			return
		}
	}
}

// serve answers the requests that come over conn until it breaks or ctx ends. While maxAsked are being
// answered no further one is taken.
func (m *mesh) serve(ctx context.Context, conn *portConn) {
	session, err := yamux.Server(conn, &m.mux)
	if err != nil {
		conn.Close()
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer session.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = session.Close() })()
	places := make(chan struct{}, maxAsked)
	for {
		select {
		case places <- struct{}{}:
		case <-session.CloseChan():
			return
		}
		stream, err := session.AcceptStream()
		if err != nil {
			return
		}
		wg.Go(func() {
			defer func() { <-places }()
			m.answer(ctx, conn.peer.node, stream)
		})
	}
}

// answer reads one request and answers it. The handler's context ends when the one who asks closes the
// stream, of which nothing else is read after the request.
func (m *mesh) answer(ctx context.Context, from string, stream *yamux.Stream) {
	defer stream.Close()
	_ = stream.SetReadDeadline(time.Now().Add(requestTimeout))
	subject, request, err := readRequest(stream)
	if err != nil {
		if !errors.Is(err, io.EOF) { // who asked has given up
			m.log.Debug("request not read", "remote", from, "err", err)
		}
		return
	}
	_ = stream.SetReadDeadline(time.Time{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { // ends with the deadline set below, or with the session
		_, _ = stream.Read(make([]byte, 1))
		cancel()
	})
	defer func() { _ = stream.SetReadDeadline(time.Unix(1, 0)) }()

	var answer []byte
	if h := m.handler(subject); h != nil {
		answer, err = h(ctx, from, request)
	} else {
		err = errNoHandler
	}
	if limit := maxRequest(subject); err == nil && len(answer) > limit {
		err = fmt.Errorf("an answer of %d octets where %d may be", len(answer), limit)
	}
	_ = stream.SetWriteDeadline(time.Now().Add(requestTimeout))
	_, _ = stream.Write(encodeAnswer(answer, err))
}
