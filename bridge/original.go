package bridge

import (
	"encoding/json"
	"strings"

	"smppbridge/store"
)

// original is the message as its ESME submitted it, for a route that sends texts.
func (p *planned) original() *Original {
	m := &p.Message
	o := &Original{Text: m.Text, DataCoding: m.DataCoding, International: p.ways.account.international(m),
		Source: m.Source, ServiceType: m.ServiceType, ProtocolID: m.ProtocolID, Priority: m.Priority}
	if o.Text == "" {
		o.Text = p.template.filled(m)
	}
	if m.Expires != 0 {
		o.Expires = store.FromMillis(m.Expires)
	}
	return o
}

// filled is the text of a message that came as parameters of a template, as the API would have made it.
func (t *approved) filled(m *store.Message) string {
	var params map[string]string
	if json.Unmarshal([]byte(m.Params), &params) != nil { // Params are made here, and valid
		return ""
	}
	pairs := make([]string, 0, 2*len(params))
	for name, value := range params {
		pairs = append(pairs, "${"+name+"}", value)
	}
	return "【" + m.SignName + "】" + strings.NewReplacer(pairs...).Replace(t.Text)
}

// international is a message's number with its country code. The API wants those of the mainland without, and some of other
// countries read the same then.
func (a *account) international(m *store.Message) string {
	_, mainland, err := readPhone(m.Dest.Addr, m.Dest.TON, a.CountryCode)
	if err != nil || !mainland { // it was read when it was accepted
		return m.Phone
	}
	return "86" + m.Phone
}
