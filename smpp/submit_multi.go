package smpp

import "encoding/binary"

// MaxDestinations is the most destinations a submit_multi has (SMPP 3.4, 4.5.1).
const MaxDestinations = 254

// Values of dest_flag (SMPP 3.4, 5.2.25).
const (
	destFlagAddress = 1
	destFlagList    = 2
)

// A Destination is one dest_address of a submit_multi (SMPP 3.4, 4.5.1.1): an address, or the
// name of a distribution list.
type Destination struct {
	TON, NPI byte
	Addr     string
	List     string // dl_name; Addr is empty then
}

// A SubmitMulti is a submit_multi (SMPP 3.4, 4.5.1).
type SubmitMulti struct {
	Message      SubmitSM // its DestAddrTON, DestAddrNPI and DestinationAddr are not used
	Destinations []Destination
}

// CommandID is submit_multi.
func (*SubmitMulti) CommandID() CommandID { return SubmitMultiID }

// AppendBody appends the encoded body to b. Destinations beyond MaxDestinations are left out.
func (m *SubmitMulti) AppendBody(b []byte) []byte {
	b = appendCString(b, m.Message.ServiceType)
	b = append(b, m.Message.SourceAddrTON, m.Message.SourceAddrNPI)
	b = appendCString(b, m.Message.SourceAddr)
	dests := m.Destinations[:min(len(m.Destinations), MaxDestinations)]
	b = append(b, byte(len(dests)))
	for i := range dests {
		b = dests[i].append(b)
	}
	return m.Message.appendTail(b)
}

// Check reports a field that does not fit the wire, as a *StatusError.
func (m *SubmitMulti) Check() error {
	if n := len(m.Destinations); n < 1 || n > MaxDestinations {
		return statusErrorf(StatusInvNumDests, "%d destinations", n)
	}
	for _, d := range m.Destinations {
		if err := firstError(fieldDestAddr.check(d.Addr), fieldListName.check(d.List)); err != nil {
			return err
		}
	}
	return m.Message.Check()
}

func (m *SubmitMulti) decode(body string) error {
	c := cursor{rest: body}
	m.Message.ServiceType = c.cstring(&fieldServiceType)
	m.Message.SourceAddrTON = c.octet()
	m.Message.SourceAddrNPI = c.octet()
	m.Message.SourceAddr = c.cstring(&fieldSourceAddr)
	n := int(c.octet())
	if n < 1 || n > MaxDestinations {
		c.fail(StatusInvNumDests, "number_of_dests is not 1 to 254")
	}
	// No more is set aside than the body can fill: a list takes three octets.
	m.Destinations = make([]Destination, 0, min(n, len(c.rest)/3))
	for ; n > 0 && c.err == nil; n-- {
		m.Destinations = append(m.Destinations, c.destination())
	}
	m.Message.decodeTail(&c)
	return c.err
}

// destination takes one dest_address. A list without a name is none.
func (c *cursor) destination() (d Destination) {
	switch c.octet() {
	case destFlagAddress:
		d.TON = c.octet()
		d.NPI = c.octet()
		d.Addr = c.cstring(&fieldDestAddr)
	case destFlagList:
		if d.List = c.cstring(&fieldListName); d.List == "" {
			c.fail(StatusInvDLName, "dl_name is empty")
		}
	default:
		c.fail(StatusInvDestFlag, "dest_flag is neither 1 nor 2")
	}
	return d
}

func (d *Destination) append(b []byte) []byte {
	if d.List != "" {
		return appendCString(append(b, destFlagList), d.List)
	}
	return appendCString(append(b, destFlagAddress, d.TON, d.NPI), d.Addr)
}

// A SubmitMultiResp answers a SubmitMulti (SMPP 3.4, 4.5.2).
type SubmitMultiResp struct {
	MessageID string
	Failed    []Unsuccess
	TLVs      TLVs
}

// An Unsuccess is a destination that was not accepted (SMPP 3.4, 4.5.2.1).
type Unsuccess struct {
	TON, NPI byte
	Addr     string
	Status   Status
}

// CommandID is submit_multi_resp.
func (*SubmitMultiResp) CommandID() CommandID { return SubmitMultiRespID }

// AppendBody appends the encoded body to b. Failures beyond MaxDestinations are left out.
func (m *SubmitMultiResp) AppendBody(b []byte) []byte {
	b = appendCString(b, m.MessageID)
	failed := m.Failed[:min(len(m.Failed), MaxDestinations)]
	b = append(b, byte(len(failed)))
	for _, f := range failed {
		b = appendCString(append(b, f.TON, f.NPI), f.Addr)
		b = binary.BigEndian.AppendUint32(b, uint32(f.Status))
	}
	return append(b, m.TLVs...)
}

// decode takes a body that is not there as an empty one: an error response has none.
func (m *SubmitMultiResp) decode(body string) error {
	if body == "" {
		return nil
	}
	c := cursor{rest: body}
	m.MessageID = c.cstring(&fieldMessageID)
	for n := c.octet(); n > 0 && c.err == nil; n-- {
		f := Unsuccess{TON: c.octet(), NPI: c.octet(), Addr: c.cstring(&fieldDestAddr)}
		status := c.octets(4, StatusInvCmdLen, "the body ends inside error_status_code")
		if c.err == nil {
			f.Status = Status(binary.BigEndian.Uint32([]byte(status)))
		}
		m.Failed = append(m.Failed, f)
	}
	m.TLVs = c.tlvs()
	return c.err
}
