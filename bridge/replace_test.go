package bridge

import (
	"testing"
	"time"

	"smppbridge/smpp"
)

// TestReplaceByDefaultMsgID: the new text may be a template's that is named by sm_default_msg_id, from the account's
// table or refused, as in a submit_sm.
func TestReplaceByDefaultMsgID(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(fieldPolicy)
		pass(time.Second)
		e := r.bind("named", smpp.Transmitter)
		soon := func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "000000000030000R" }
		n := e.accepted("张三，余额5元。", soon)
		e.refuses("not in the table", &smpp.ReplaceSM{MessageID: n.String(), SMDefaultMsgID: 4, ShortMessage: "4711"}, smpp.StatusInvDftMsgID)
		e.refuses("in the table", &smpp.ReplaceSM{MessageID: n.String(), SMDefaultMsgID: 1}, smpp.StatusOK)
		r.jump(1, time.Minute)
		calls := r.api.called()
		if len(calls) != 1 || calls[0].Template != "SMS_3" || calls[0].Recipients[0].Params != "{}" {
			t.Errorf("calls %+v, want one of SMS_3", calls)
		}
	})
}
