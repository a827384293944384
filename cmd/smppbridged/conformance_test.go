package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// nodeDialogues are played against a whole node here.
const nodeDialogues = "../../smpp/testdata/node"

// moreAccounts stand behind those of dev, with the quirks that none of them has.
const moreAccounts = `
  - {system_id: ascii, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000003], default_alphabet: ascii}
  - {system_id: utf8, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000003], default_alphabet: utf8}
  - {system_id: gbk, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000003], default_alphabet: gbk}
  - {system_id: quirks, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000003], message_id: dec10, error_body: empty, receipt: {text: false, parts: last}}
  - {system_id: transmitter, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000003], bind: {types: [transmitter]}}
  - {system_id: receipts, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000003]}
  - {system_id: narrow, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000003], window: 1}
`

// startConforming starts a node with the accounts of dev, so that a dialogue can be played by hand too.
func startConforming(t *testing.T) *system {
	t.Helper()
	endpoint := regexp.MustCompile(`endpoint: "([^"]+)"`)
	return startSystem(t, func(o *options) {
		addr := endpoint.FindSubmatch(o.Policy)
		if addr == nil {
			t.Fatal("the system's policy has no endpoint")
		}
		o.Policy = []byte(strings.NewReplacer("ENDPOINT", string(addr[1]), "HASH", hashOf(t, "secret")).Replace(devPolicy + moreAccounts))
	})
}

// TestConformance plays every dialogue of smpp/testdata/node. README's table of conformance has a row
// for each, and a row for everything there is (TestConformanceTable).
func TestConformance(t *testing.T) {
	s := startConforming(t)
	files, err := filepath.Glob(filepath.Join(nodeDialogues, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d dialogues, %v", len(files), err)
	}
	for _, file := range files {
		passed := t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { s.playConformance(t, file) })
		if !passed {
			s = startConforming(t) // receipts that nobody took would fail the next one too
		}
	}
}

// playConformance plays one dialogue. When it is over no receipt may be left that was not in it.
func (s *system) playConformance(t *testing.T, file string) {
	d, err := smpptest.ReadDialogue(file)
	if err != nil {
		t.Fatal(err)
	}
	d.Vars = times(time.Now())
	e := smpptest.Dial(t, s.smppAddr.String())
	e.Timeout = patience
	defer s.fault()
	d.Run(t, e, s.conformanceActions(t))
	e.Close()
	if err := within(func() error {
		if n := s.store.Figures().Outbox; n != 0 {
			return fmt.Errorf("%d receipts are left", n)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// times are the variables of dialogues about times: those of the standard that are absolute cannot be
// written down beforehand.
func times(now time.Time) map[string]string {
	shanghai := now.UTC().Add(8 * time.Hour)
	newYork := now.UTC().Add(-5 * time.Hour)
	return map[string]string{
		"in_a_second":          smpp.FormatTime(now.Add(time.Second)),
		"in_a_second_shanghai": shanghai.Add(time.Second).Format("060102150405") + "032+",
		"in_an_hour_new_york":  newYork.Add(time.Hour).Format("060102150405") + "020-",
		"in_an_hour":           smpp.FormatTime(now.Add(time.Hour)),
		"in_8_days":            smpp.FormatTime(now.Add(8 * 24 * time.Hour)),
		"a_minute_ago":         smpp.FormatTime(now.Add(-time.Minute)),
		"two_days_ago":         smpp.FormatTime(now.Add(-48 * time.Hour)),
	}
}

// conformanceActions are what the dialogues' "!" lines do.
func (s *system) conformanceActions(t *testing.T) smpptest.Actions {
	actions := s.sentActions()
	maps.Copy(actions, smpptest.Actions{
		// fault KIND PHONE [CODE]: what befalls what is sent to PHONE, until the dialogue ends.
		"fault": func(args []string) error {
			f := aliyunsim.Fault{Kind: aliyunsim.FaultKind(args[0]), Suffix: args[1]}
			if len(args) > 2 {
				f.Code = args[2]
			}
			return s.sim.SetFaults(aliyunsim.Faults{f})
		},
		// release: reports that a fault withheld are pushed.
		"release": func([]string) error { s.sim.ReleaseReports(); return nil },
		// submit ACCOUNT PHONE: another ESME of ACCOUNT submits and wants a receipt.
		"submit": func(args []string) error { return s.submitBeside(t, args[0], args[1]) },
		// receive ACCOUNT MESSAGE_ID: a receiver of ACCOUNT binds and takes the receipt.
		"receive": func(args []string) error { return s.receiveBeside(t, args[0], args[1]) },
		// stranger ACCOUNT MESSAGE_ID STATUS: what another account is answered that names the message.
		"stranger": func(args []string) error {
			id := args[1]
			return s.askAs(t, args[0], args[2], &smpp.QuerySM{MessageID: id}, &smpp.CancelSM{MessageID: id},
				&smpp.ReplaceSM{MessageID: id, ShortMessage: "new"})
		},
		// cancel ACCOUNT MESSAGE_ID: another ESME of the account cancels the message.
		"cancel": func(args []string) error {
			return s.askAs(t, args[0], smpp.StatusOK.String(), &smpp.CancelSM{MessageID: args[1]})
		},
		// bound ACCOUNT N: so many binds does ACCOUNT hold.
		"bound": func(args []string) error { return s.holds(args[0], args[1]) },
	})
	return actions
}

// sentActions compare what the API was told.
func (s *system) sentActions() smpptest.Actions {
	return smpptest.Actions{
		// sent PHONE TEXT: the last SMS to PHONE says TEXT, through the template that takes any text.
		"sent": func(args []string) error {
			return s.lastSent(args, func(e aliyunsim.Entry) (string, error) {
				var p struct{ Content string }
				err := json.Unmarshal([]byte(e.Params), &p)
				return p.Content, err
			})
		},
		// template PHONE CODE, params PHONE JSON, sign PHONE NAME: what the last SMS to PHONE was made of.
		"template": func(args []string) error {
			return s.lastSent(args, func(e aliyunsim.Entry) (string, error) { return e.Template, nil })
		},
		"params": func(args []string) error {
			return s.lastSent(args, func(e aliyunsim.Entry) (string, error) { return e.Params, nil })
		},
		"sign": func(args []string) error {
			return s.lastSent(args, func(e aliyunsim.Entry) (string, error) { return e.Sign, nil })
		},
		// executed PHONE N: so many SMS went to PHONE by now.
		"executed": func(args []string) error {
			if got := strconv.Itoa(s.executed(args[0])); got != args[1] {
				return fmt.Errorf("got %s", got)
			}
			return nil
		},
	}
}

// lastSent waits until what tells of the last SMS to a phone is as it should be.
func (s *system) lastSent(args []string, tell func(aliyunsim.Entry) (string, error)) error {
	return within(func() error {
		err := errors.New("nothing was sent")
		for _, e := range s.sim.Ledger() {
			if e.Phone != args[0] {
				continue
			}
			var got string
			if got, err = tell(e); err == nil && got != args[1] {
				err = fmt.Errorf("got %q, want %q", got, args[1])
			}
		}
		return err
	})
}

// submitBeside submits over a connection of its own, and is gone when the API has it.
func (s *system) submitBeside(t *testing.T, account, phone string) error {
	e := smpptest.Dial(t, s.smppAddr.String())
	defer e.Close()
	e.MustBind(smpp.Transmitter, account, "secret")
	e.Send(&smpp.SubmitSM{DestinationAddr: phone, ShortMessage: "beside", RegisteredDelivery: smpp.RegisteredDeliveryAlways})
	if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusOK {
		return fmt.Errorf("submit_sm answered %v", h.Status)
	}
	return s.lastSent([]string{phone, "beside"}, func(e aliyunsim.Entry) (string, error) { return "beside", nil })
}

// receiveBeside takes one receipt over a connection of its own.
func (s *system) receiveBeside(t *testing.T, account, id string) error {
	e := smpptest.Dial(t, s.smppAddr.String())
	defer e.Close()
	e.MustBind(smpp.Receiver, account, "secret")
	h, p := e.Expect(smpp.DeliverSMID)
	if got, _ := p.(*smpp.DeliverSM).TLVs.Get(smpp.TagReceiptedMessageID); got != id+"\x00" {
		return fmt.Errorf("got the receipt of %q", got)
	}
	e.Respond(h.Sequence, smpp.StatusOK, &smpp.DeliverSMResp{})
	return nil
}

// askAs has an ESME of account ask; each request must be answered with status.
func (s *system) askAs(t *testing.T, account, status string, requests ...smpp.PDU) error {
	e := smpptest.Dial(t, s.smppAddr.String())
	defer e.Close()
	e.MustBind(smpp.Transmitter, account, "secret")
	for _, p := range requests {
		e.Send(p)
		resp, _ := p.CommandID().Response()
		if h, _ := e.Expect(resp); h.Status.String() != status {
			return fmt.Errorf("%s answered %v", p.CommandID(), h.Status)
		}
	}
	return nil
}

// holds waits until account has so many binds.
func (s *system) holds(account, want string) error {
	return within(func() error {
		n := 0
		for _, b := range s.store.AllBinds() {
			if b.Account == account {
				n++
			}
		}
		if got := strconv.Itoa(n); got != want {
			return fmt.Errorf("got %s", got)
		}
		return nil
	})
}

// within tries until it succeeds, for as long as tests have patience.
func within(try func() error) (err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); pause() {
		if err = try(); err == nil {
			return nil
		}
	}
	return err
}
