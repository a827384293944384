package aliyun

import (
	"io"
	"net/http"

	"smppbridge/bridge"
)

// takeIncoming answers one push of incoming messages. Those that are none are left out: they would be as bad when they come again.
func (p *push) takeIncoming(w http.ResponseWriter, req *http.Request) {
	ctx := req.Context()
	elements, status := readElements[pushedMessage](w, req)
	if status != http.StatusOK {
		p.countIncoming(reportMalformed, 1)
		p.log.WarnContext(ctx, "pushed incoming messages unreadable", "status", status)
		http.Error(w, http.StatusText(status), status)
		return
	}
	messages := decodeIncoming(elements)
	if bad := len(elements) - len(messages); bad > 0 {
		p.countIncoming(reportBad, bad)
		p.log.WarnContext(ctx, "pushed incoming messages skipped", "bad", bad, "of", len(elements))
		if len(messages) == 0 {
			http.Error(w, "no message understood", http.StatusBadRequest)
			return
		}
	}
	if len(messages) > 0 {
		if err := p.sink.Incoming(ctx, messages); err != nil {
			p.countIncoming(reportRefused, len(messages))
			p.log.WarnContext(ctx, "pushed incoming messages not committed", "messages", len(messages), "err", err)
			http.Error(w, "come again", http.StatusServiceUnavailable)
			return
		}
	}
	p.countIncoming(reportTaken, len(messages))
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	_, _ = io.WriteString(w, pushTaken)
}

// decodeIncoming turns elements into messages, without those that are none.
func decodeIncoming(elements []pushedMessage) []bridge.IncomingMessage {
	messages := make([]bridge.IncomingMessage, 0, len(elements))
	for i := range elements {
		if elements[i].usable() {
			messages = append(messages, elements[i].incoming())
		}
	}
	return messages
}

func (p *push) countIncoming(result string, n int) {
	p.messages.WithLabelValues(result).Add(float64(n))
}
