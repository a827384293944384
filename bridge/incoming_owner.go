package bridge

import (
	"strings"

	"smppbridge/configs"
)

// inboxes say whose an incoming message is, by a policy.
type inboxes struct {
	exact  map[string]*account // by dest_code
	begins map[string]*account // by how a dest_code begins
	signs  map[string]*account // by a signature that only one account may use; nil = several may
}

func newInboxes(p *policy, doc *configs.Policy) inboxes {
	in := inboxes{exact: map[string]*account{}, begins: map[string]*account{}, signs: map[string]*account{}}
	for i := range doc.Accounts {
		a := p.accounts[doc.Accounts[i].SystemID]
		for _, code := range a.Incoming.DestCodes {
			if begin, ok := strings.CutSuffix(code, "*"); ok {
				in.begins[begin] = a
			} else {
				in.exact[code] = a
			}
		}
		may := a.Signatures
		if len(may) == 0 {
			may = doc.Signatures
		}
		for _, sign := range may {
			if _, several := in.signs[sign]; several {
				in.signs[sign] = nil
				continue
			}
			in.signs[sign] = a
		}
	}
	return in
}

// owner is the account that owns messages to dest: the one that names it, or the most of its first digits; else the only one that
// may use the signature that is answered. nil = nobody's.
func (in *inboxes) owner(dest, sign string) *account {
	if a := in.exact[dest]; a != nil {
		return a
	}
	for n := len(dest); n > 0 && len(in.begins) > 0; n-- {
		if a := in.begins[dest[:n]]; a != nil {
			return a
		}
	}
	return in.signs[sign]
}
