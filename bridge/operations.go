package bridge

import "smppbridge/smpp"

// Handle takes what is not a plain submit. It implements smpp.Backend.
func (b *Bridge) Handle(s *smpp.Session, r smpp.Request, p smpp.PDU) {
	s.Respond(r, smpp.StatusInvCmdID, "", 0)
}
