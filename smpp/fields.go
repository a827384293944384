package smpp

import (
	"strings"
)

// A field is a C-octet string of the standard: its name, the most octets it may
// take with its terminating NUL, and the status that names it when it is wrong.
type field struct {
	name   string
	max    int
	status Status
}

// Sizes from SMPP 3.4, 4.1 to 4.12. address_range has no status of its own, and nor have
// final_date and the addresses of alert_notification, which no ESME sends. The standard's
// password has 8 octets; clients in the field have longer ones, and 64 do no harm.
var (
	fieldSystemID     = field{"system_id", 16, StatusInvSysID}
	fieldPassword     = field{"password", 65, StatusInvPaswd}
	fieldSystemType   = field{"system_type", 13, StatusInvSysTyp}
	fieldAddressRange = field{"address_range", 41, StatusBindFail}
	fieldServiceType  = field{"service_type", 6, StatusInvSerTyp}
	fieldSourceAddr   = field{"source_addr", 21, StatusInvSrcAdr}
	fieldDestAddr     = field{"destination_addr", 21, StatusInvDstAdr}
	fieldSchedule     = field{"schedule_delivery_time", 17, StatusInvSched}
	fieldValidity     = field{"validity_period", 17, StatusInvExpiry}
	fieldMessageID    = field{"message_id", 65, StatusInvMsgID}
	fieldFinalDate    = field{"final_date", 17, StatusUnknownErr}
	fieldListName     = field{"dl_name", 21, StatusInvDLName}
	fieldDataSource   = field{"source_addr", 65, StatusInvSrcAdr} // of data_sm and alert_notification
	fieldDataDest     = field{"destination_addr", 65, StatusInvDstAdr}
	fieldESMEAddr     = field{"esme_addr", 65, StatusUnknownErr}
)

// A cursor takes the fields of a body off its front. The first fault is kept
// and everything after it reads as empty, so that callers check once, at the end.
type cursor struct {
	rest string
	err  error
}

// cstring takes a C-octet string. One that is not terminated within its maximum
// gets the field's own status; a body that ends inside it is a wrong command_length.
func (c *cursor) cstring(f *field) string {
	if len(c.rest) > 0 && c.rest[0] == 0 { // most are empty
		c.rest = c.rest[1:]
		return ""
	}
	n := min(len(c.rest), f.max)
	i := strings.IndexByte(c.rest[:n], 0)
	if i < 0 {
		c.failString(f, n)
		return ""
	}
	s := c.rest[:i]
	c.rest = c.rest[i+1:]
	return s
}

// failString is apart from cstring to keep that one small.
//
//go:noinline
func (c *cursor) failString(f *field, n int) {
	if n < f.max {
		c.fail(StatusInvCmdLen, "the body ends inside "+f.name)
		return
	}
	c.fail(f.status, f.name+" is longer than the standard allows")
}

// timeString takes a schedule_delivery_time or validity_period, which is empty
// or exactly 16 octets long (SMPP 3.4, 4.4.1 and 7.1.1). Some clients write "0" for none.
func (c *cursor) timeString(f *field) string {
	s := c.cstring(f)
	if s == "0" {
		return ""
	}
	if s != "" && len(s) != f.max-1 {
		c.fail(f.status, f.name+" is not 16 octets long")
	}
	return s
}

// octet takes one integer octet.
func (c *cursor) octet() byte {
	if len(c.rest) == 0 {
		c.fail(StatusInvCmdLen, "the body ends before its last mandatory field")
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b
}

// octets takes n octets; what is short of them gets status st.
func (c *cursor) octets(n int, st Status, why string) string {
	if n > len(c.rest) {
		c.fail(st, why)
		return ""
	}
	s := c.rest[:n]
	c.rest = c.rest[n:]
	return s
}

// shortMessage takes sm_length and short_message.
func (c *cursor) shortMessage() string {
	n := int(c.octet())
	if n > MaxShortMessage {
		c.fail(StatusInvMsgLen, "sm_length is over 254")
	}
	return c.octets(n, StatusInvMsgLen, "short_message is shorter than sm_length")
}

// tlvs takes all that is left. Clients are known to end short_message with a NUL
// that sm_length does not count: one to three such octets are skipped, and so
// is one in front of parameters that make no sense otherwise.
func (c *cursor) tlvs() TLVs {
	t := TLVs(c.rest)
	c.rest = ""
	switch {
	case t == "" || t.valid():
		return t
	case len(t) < tlvHeaderLen && strings.Trim(string(t), "\x00") == "":
		return ""
	case t[0] == 0 && t[1:].valid():
		return t[1:]
	}
	c.fail(StatusInvOptParStream, "an optional parameter reaches beyond the end of the body")
	return ""
}

// fail records the first fault. why never carries what the ESME sent. Inlined, it
// would make the way without faults slower.
//
//go:noinline
func (c *cursor) fail(st Status, why string) {
	if c.err == nil {
		c.err = &StatusError{Status: st, Err: decodeError(why)}
	}
	c.rest = ""
}

// A decodeError says what is wrong with a body.
type decodeError string

func (e decodeError) Error() string { return string(e) }

// appendCString appends s as a C-octet string. A NUL inside s ends it: one bad
// field must never shift those behind it.
func appendCString(b []byte, s string) []byte {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	b = append(b, s...)
	return append(b, 0)
}

// appendShortMessage appends sm_length and short_message.
func appendShortMessage(b []byte, sm string) []byte {
	sm = sm[:min(len(sm), MaxShortMessage)]
	b = append(b, byte(len(sm)))
	return append(b, sm...)
}

// checkShortMessage reports why sm cannot be sent as a short_message, or nil.
func checkShortMessage(sm string) error {
	if len(sm) > MaxShortMessage {
		return statusErrorf(StatusInvMsgLen, "short_message is longer than %d octets", MaxShortMessage)
	}
	return nil
}

// check reports why s cannot be sent as field f, or nil.
func (f *field) check(s string) error {
	switch {
	case len(s) >= f.max:
		return statusErrorf(f.status, "%s is longer than the standard allows", f.name)
	case strings.IndexByte(s, 0) >= 0:
		return statusErrorf(f.status, "%s contains a NUL", f.name)
	}
	return nil
}
