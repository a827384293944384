package smpp

// A BindType says in which directions a session carries messages.
type BindType uint8

// The three kinds of bind (SMPP 3.4, 2.2).
const (
	Transmitter BindType = iota + 1 // the ESME submits
	Receiver                        // the ESME is delivered to
	Transceiver                     // both
)

// String returns transmitter, receiver or transceiver.
func (t BindType) String() string {
	switch t {
	case Transmitter:
		return "transmitter"
	case Receiver:
		return "receiver"
	case Transceiver:
		return "transceiver"
	}
	return "none"
}

// CommandID returns the request that makes a bind of type t.
func (t BindType) CommandID() CommandID {
	switch t {
	case Transmitter:
		return BindTransmitterID
	case Receiver:
		return BindReceiverID
	}
	return BindTransceiverID
}

// bindTypeOf is the inverse of CommandID; it takes the response's id as well.
func bindTypeOf(id CommandID) BindType {
	switch id &^ respBit {
	case BindTransmitterID:
		return Transmitter
	case BindReceiverID:
		return Receiver
	}
	return Transceiver
}

// A Bind is bind_transmitter, bind_receiver or bind_transceiver (SMPP 3.4, 4.1).
type Bind struct {
	Type             BindType
	SystemID         string
	Password         string
	SystemType       string
	InterfaceVersion byte
	AddrTON          byte
	AddrNPI          byte
	AddressRange     string
}

// CommandID depends on the bind's type.
func (m *Bind) CommandID() CommandID { return m.Type.CommandID() }

// AppendBody appends the encoded body to b.
func (m *Bind) AppendBody(b []byte) []byte {
	b = appendCString(b, m.SystemID)
	b = appendCString(b, m.Password)
	b = appendCString(b, m.SystemType)
	b = append(b, m.InterfaceVersion, m.AddrTON, m.AddrNPI)
	return appendCString(b, m.AddressRange)
}

// Check reports a field that is too long for the wire, as a *StatusError.
func (m *Bind) Check() error {
	return firstError(
		fieldSystemID.check(m.SystemID), fieldPassword.check(m.Password),
		fieldSystemType.check(m.SystemType), fieldAddressRange.check(m.AddressRange))
}

// decode leaves m.Type as it is. Clients of SMPP 3.3 and careless ones leave
// out system_type or all that follows the password; octets behind
// address_range are ignored, since a bind has no optional parameters.
func (m *Bind) decode(body string) error {
	c := cursor{rest: body}
	m.SystemID = c.cstring(&fieldSystemID)
	m.Password = c.cstring(&fieldPassword)
	if c.err != nil || c.rest == "" {
		return c.err
	}
	whole := c
	if m.SystemType = c.cstring(&fieldSystemType); m.decodeEnd(&c) == nil {
		return nil
	}
	short := whole
	if m.decodeEnd(&short) == nil && short.rest == "" {
		m.SystemType = ""
		return nil
	}
	m.SystemType, m.InterfaceVersion, m.AddrTON, m.AddrNPI, m.AddressRange = "", 0, 0, 0, ""
	return c.err
}

// decodeEnd takes what follows system_type.
func (m *Bind) decodeEnd(c *cursor) error {
	m.InterfaceVersion = c.octet()
	m.AddrTON = c.octet()
	m.AddrNPI = c.octet()
	m.AddressRange = c.cstring(&fieldAddressRange)
	return c.err
}

// A BindResp answers a Bind. SystemID is the message centre's.
type BindResp struct {
	Type     BindType
	SystemID string
	TLVs     TLVs
}

// CommandID depends on the bind's type.
func (m *BindResp) CommandID() CommandID { return m.Type.CommandID() | respBit }

// AppendBody appends the encoded body to b.
func (m *BindResp) AppendBody(b []byte) []byte {
	b = appendCString(b, m.SystemID)
	return append(b, m.TLVs...)
}

// decode takes a body that is not there as an empty system_id: an error
// response has none (SMPP 3.4, 4.1.2).
func (m *BindResp) decode(body string) error {
	if body == "" {
		return nil
	}
	c := cursor{rest: body}
	m.SystemID = c.cstring(&fieldSystemID)
	m.TLVs = c.tlvs()
	return c.err
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
