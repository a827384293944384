package bridge

import (
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// submission is a submit_sm, a data_sm or a submit_multi on its way into the store.
type submission struct {
	session *session
	request smpp.Request
	pdu     smpp.SubmitSM // kept: a submission decided under an older policy is decided again
	at      time.Time
	account *account
	message store.Message
	caps    uint64 // caps that count message
	multi   *multi // of a submit_multi, whose messages are in it; else nil
	octets  int64  // what it counts for in the queue
}

// submissionOctets is what a submission costs without its texts.
const submissionOctets = 1024

// weigh sets what a submission, once decided, counts for.
func (s *submission) weigh() {
	texts := len(s.pdu.ShortMessage) + len(s.pdu.TLVs) + len(s.message.Text) + len(s.message.Params)
	s.octets = int64(submissionOctets + texts)
	if s.multi != nil {
		s.octets += s.multi.octets()
	}
}

// shed lets go of all that s came with but what its answer needs: it is in the store, and will not be
// decided again. Every string of it keeps the whole PDU alive.
func (s *submission) shed() {
	m := &s.message
	s.pdu, s.message = smpp.SubmitSM{}, store.Message{Shape: m.Shape, AnswerBy: m.AnswerBy, Origin: m.Origin}
}

// messages is how many messages an Accept gets of s.
func (s *submission) messages() int {
	if s.multi != nil {
		return len(s.multi.messages)
	}
	return 1
}

// encoded is about how many octets s adds to an Accept.
func (s *submission) encoded() int {
	if s.multi != nil {
		return s.multi.encoded()
	}
	return 200 + len(s.message.Text) + len(s.message.Params)
}

// weight is what a list of submissions counts for in the queue.
func weight(list []*submission) (octets int64) {
	for _, s := range list {
		octets += s.octets
	}
	return octets
}
