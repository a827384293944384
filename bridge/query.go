package bridge

import (
	"strconv"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// querySM answers a query_sm (SMPP 3.4, 4.8). A message_id that a submit_multi was given stands for all
// its destinations: it is under way as long as one of them is. This node's store must be current.
func (b *Bridge) querySM(account string, q *smpp.QuerySM) (smpp.PDU, error) {
	named, err := b.own(account, q.MessageID, q.SourceAddr)
	if err != nil {
		return nil, err
	}
	resp := &smpp.QuerySMResp{MessageID: named.id, MessageState: smpp.StateDelivered}
	last := int64(0)
	for i := range named.members {
		st := &named.members[i].status
		if st.State != store.StateFinal {
			return &smpp.QuerySMResp{MessageID: named.id, MessageState: smpp.StateEnroute}, nil
		}
		last = max(last, st.DoneAt)
		if st.Ending != store.EndDelivered && resp.MessageState == smpp.StateDelivered {
			resp.MessageState, resp.ErrorCode = smpp.MessageState(st.Ending), errorCode(st.Err)
		}
	}
	resp.FinalDate = smpp.FormatTime(time.UnixMilli(last))
	return resp, nil
}

// errorCode is a receipt's err as query_sm_resp has room for it: one octet (SMPP 3.4, 4.8.2).
func errorCode(err string) byte {
	n, parseErr := strconv.ParseUint(err, 10, 8)
	if parseErr != nil && err != "" {
		return 0xFF
	}
	return byte(n)
}
