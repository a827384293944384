package bridge

import "smppbridge/smpp"

// Handle takes what is not a plain submit. It implements smpp.Backend.
func (b *Bridge) Handle(s *smpp.Session, r smpp.Request, p smpp.PDU) {
	v, ok := b.sessions.Load(s.ID())
	if !ok { // a bound session is always there until Closed
		s.Close(errStopping)
		return
	}
	switch m := p.(type) {
	case *smpp.SubmitMulti:
		b.submitMulti(v.(*session), r, m)
	default:
		s.Respond(r, smpp.StatusInvCmdID, "", 0)
	}
}
