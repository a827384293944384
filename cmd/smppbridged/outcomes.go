package main

import (
	"fmt"
	"net/http"

	"smppbridge/bridge/aliyun"
	"smppbridge/configs"
	"smppbridge/smpp"
)

// outcomeTable is what the API's codes mean under a policy.
func outcomeTable(p *configs.Policy) (*aliyun.Table, error) {
	over := make(map[string]aliyun.Outcome, len(p.Outcomes))
	for code, o := range p.Outcomes {
		line := aliyun.Outcome{Class: o.Class, Stat: o.Stat, Err: o.Err}
		if o.Status != "" {
			st, ok := smpp.ParseStatus(o.Status)
			if !ok {
				return nil, fmt.Errorf("outcome of %s: the standard has no %s", code, o.Status)
			}
			line.Status = new(uint32(st))
		}
		over[code] = line
	}
	return aliyun.NewTable(over)
}

// outcomeLine is a line of the table as /v1/outcomes shows it.
type outcomeLine struct {
	Code   string `json:"code"`
	Class  string `json:"class"`
	Status string `json:"command_status"`
	Stat   string `json:"stat,omitempty"`
	Err    string `json:"err"`
	Policy bool   `json:"policy"` // not built in
}

// outcomes shows what the API's codes mean on this node.
func (n *node) outcomes(w http.ResponseWriter, _ *http.Request) {
	lines := n.sender.Outcomes().Lines()
	list := make([]outcomeLine, len(lines))
	for i, l := range lines {
		list[i] = outcomeLine{l.Code, l.Class, smpp.Status(*l.Status).String(), l.Stat, l.Err, l.Policy}
	}
	writeJSON(w, http.StatusOK, map[string]any{"outcomes": list})
}
