package bridge

import (
	"errors"
	"time"

	"smppbridge/smpp"
)

// Why fields are refused.
var (
	errMessageType = errors.New("esm_class names a message type that is not the default one")
	errTransaction = errors.New("transaction mode needs an account that is answered after the API")
	errPriority    = errors.New("priority_flag is above 3")
	errReplace     = errors.New("replace_if_present_flag is not supported")
	errReplaceFlag = errors.New("replace_if_present_flag is neither 0 nor 1")
	errParamLength = errors.New("optional parameter has a wrong length")
	errTooEarly    = errors.New("schedule_delivery_time is long over")
	errTooLate     = errors.New("schedule_delivery_time is too far ahead")
)

// Parts of esm_class (SMPP 3.4, 5.2.12).
const (
	esmMode        = 0x03 // messaging mode
	esmTransaction = 0x02 // forward (transaction) mode
	esmType        = 0x3C // message type; 0 is a message
)

// maxPriority is the highest priority_flag (SMPP 3.4, 5.2.14).
const maxPriority = 3

// checkFields refuses what a message asks for and would not get, each field by its own status. Fields
// that are not named here or below have no meaning for an SMS of the API and are ignored: service_type,
// numbering plans, protocol_id, the reply path, registered_delivery's reserved bits, other parameters.
func (a *account) checkFields(m *smpp.SubmitSM) error {
	switch {
	case m.ESMClass&esmType != 0:
		return &smpp.StatusError{Status: smpp.StatusInvEsmClass, Err: errMessageType}
	case m.ESMClass&esmMode == esmTransaction && a.Ack != ackSubmitted:
		return &smpp.StatusError{Status: smpp.StatusInvEsmClass, Err: errTransaction}
	case m.PriorityFlag > maxPriority:
		return &smpp.StatusError{Status: smpp.StatusInvPrtFlg, Err: errPriority}
	case m.ReplaceIfPresent == 1:
		return &smpp.StatusError{Status: smpp.StatusInvSubRep, Err: errReplace}
	case m.ReplaceIfPresent > 1:
		return &smpp.StatusError{Status: smpp.StatusInvRepFlag, Err: errReplaceFlag}
	}
	return nil
}

// echo returns the optional parameters that a receipt repeats, so that the ESME's application finds its
// request again: user_message_reference as it came, and the ports, which change places like the
// addresses do (SMPP 3.4, 5.3.2.17, 5.3.2.20, 5.3.2.21).
func echo(t smpp.TLVs) (string, error) {
	var back smpp.TLVs
	if t == "" {
		return "", nil
	}
	for _, e := range [...]struct{ from, to smpp.Tag }{
		{smpp.TagUserMessageReference, smpp.TagUserMessageReference},
		{smpp.TagSourcePort, smpp.TagDestinationPort},
		{smpp.TagDestinationPort, smpp.TagSourcePort},
	} {
		v, ok := t.Get(e.from)
		if !ok {
			continue
		}
		if len(v) != 2 {
			return "", &smpp.StatusError{Status: smpp.StatusInvParLen, Err: errParamLength}
		}
		back = back.With(e.to, v)
	}
	return string(back), nil
}

// How far from now schedule_delivery_time may be. One that has just passed is that of an ESME with a
// queue or a slow clock, and the message is sent at once; one of the day before is a fault, and not
// what the ESME would expect to be sent now.
const (
	scheduleAhead = 7 * 24 * time.Hour
	scheduleOver  = 24 * time.Hour
)

// sendAt reads schedule_delivery_time (SMPP 3.4, 4.4.1); the zero time is at once.
func sendAt(m *smpp.SubmitSM, now time.Time) (time.Time, error) {
	at, err := m.Schedule(now)
	switch {
	case err != nil || at.IsZero():
		return time.Time{}, err
	case at.After(now.Add(scheduleAhead)):
		return time.Time{}, &smpp.StatusError{Status: smpp.StatusInvSched, Err: errTooLate}
	case at.Before(now.Add(-scheduleOver)):
		return time.Time{}, &smpp.StatusError{Status: smpp.StatusInvSched, Err: errTooEarly}
	case !at.After(now):
		return time.Time{}, nil
	}
	return at, nil
}
