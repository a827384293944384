package smpp

import (
	"encoding/binary"
	"fmt"
)

// A DataSM is a data_sm (SMPP 3.4, 4.7.1): a submit_sm of which everything that is not always
// needed is an optional parameter, the text too (message_payload).
type DataSM struct {
	ServiceType        string
	SourceAddrTON      byte
	SourceAddrNPI      byte
	SourceAddr         string
	DestAddrTON        byte
	DestAddrNPI        byte
	DestinationAddr    string
	ESMClass           byte
	RegisteredDelivery byte
	DataCoding         byte
	TLVs               TLVs
}

// CommandID is data_sm.
func (*DataSM) CommandID() CommandID { return DataSMID }

// AppendBody appends the encoded body to b.
func (m *DataSM) AppendBody(b []byte) []byte {
	b = appendCString(b, m.ServiceType)
	b = append(b, m.SourceAddrTON, m.SourceAddrNPI)
	b = appendCString(b, m.SourceAddr)
	b = append(b, m.DestAddrTON, m.DestAddrNPI)
	b = appendCString(b, m.DestinationAddr)
	b = append(b, m.ESMClass, m.RegisteredDelivery, m.DataCoding)
	return append(b, m.TLVs...)
}

// Check reports a field that does not fit the wire, as a *StatusError.
func (m *DataSM) Check() error {
	return firstError(
		fieldServiceType.check(m.ServiceType), fieldDataSource.check(m.SourceAddr),
		fieldDataDest.check(m.DestinationAddr), m.TLVs.check())
}

func (m *DataSM) decode(body string) error {
	c := cursor{rest: body}
	m.ServiceType = c.cstring(&fieldServiceType)
	m.SourceAddrTON = c.octet()
	m.SourceAddrNPI = c.octet()
	m.SourceAddr = c.cstring(&fieldDataSource)
	m.DestAddrTON = c.octet()
	m.DestAddrNPI = c.octet()
	m.DestinationAddr = c.cstring(&fieldDataDest)
	m.ESMClass = c.octet()
	m.RegisteredDelivery = c.octet()
	m.DataCoding = c.octet()
	m.TLVs = c.tlvs()
	return c.err
}

// Submit returns the submit_sm that m amounts to. Its addresses must fit there: a longer
// source_addr could not be the destination of a receipt. qos_time_to_live becomes
// validity_period (SMPP 3.4, 5.3.2.9). The error is a *StatusError.
func (m *DataSM) Submit() (SubmitSM, error) {
	s := SubmitSM{
		ServiceType:   m.ServiceType,
		SourceAddrTON: m.SourceAddrTON, SourceAddrNPI: m.SourceAddrNPI, SourceAddr: m.SourceAddr,
		DestAddrTON: m.DestAddrTON, DestAddrNPI: m.DestAddrNPI, DestinationAddr: m.DestinationAddr,
		ESMClass: m.ESMClass, RegisteredDelivery: m.RegisteredDelivery, DataCoding: m.DataCoding,
		TLVs: m.TLVs,
	}
	if err := firstError(fieldSourceAddr.check(s.SourceAddr), fieldDestAddr.check(s.DestinationAddr)); err != nil {
		return SubmitSM{}, err
	}
	ttl, ok := m.TLVs.Get(TagQOSTimeToLive)
	switch {
	case !ok:
	case len(ttl) != 4:
		return SubmitSM{}, statusErrorf(StatusInvParLen, "qos_time_to_live has %d octets", len(ttl))
	default:
		s.ValidityPeriod = relativeTime(binary.BigEndian.Uint32([]byte(ttl)))
	}
	return s, nil
}

// relativeTime writes seconds as SMPP 3.4, 7.1.1 does. What is longer than 99 days, the most
// that can be written exactly, is cut there: nothing here is kept for so long.
func relativeTime(seconds uint32) string {
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	seconds = min(seconds, 99*day)
	return fmt.Sprintf("0000%02d%02d%02d%02d000R", seconds/day, seconds%day/hour, seconds%hour/minute, seconds%minute)
}

// A DataSMResp answers a DataSM (SMPP 3.4, 4.7.2).
type DataSMResp struct {
	MessageID string
	TLVs      TLVs
}

// CommandID is data_sm_resp.
func (*DataSMResp) CommandID() CommandID { return DataSMRespID }

// AppendBody appends the encoded body to b.
func (m *DataSMResp) AppendBody(b []byte) []byte { return (*SubmitSMResp)(m).AppendBody(b) }

func (m *DataSMResp) decode(body string) error { return (*SubmitSMResp)(m).decode(body) }
