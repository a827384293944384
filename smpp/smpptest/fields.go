package smpptest

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"smppbridge/smpp"
)

// newPDU returns an empty PDU of that name, or nil if package smpp has no type for it.
func newPDU(id smpp.CommandID) smpp.PDU {
	body := emptyBody[:]
	if id.IsResponse() {
		body = nil
	}
	p, err := smpp.Decode(smpp.Header{ID: id}, body)
	if err != nil {
		return nil
	}
	return p
}

// emptyBody decodes as each request with all fields empty.
var emptyBody [17]byte

// fields returns where p keeps each field, by the standard's name: *string, *byte
// or *smpp.TLVs.
func fields(p smpp.PDU) map[string]any {
	switch m := p.(type) {
	case *smpp.Bind:
		return map[string]any{
			"system_id": &m.SystemID, "password": &m.Password, "system_type": &m.SystemType,
			"interface_version": &m.InterfaceVersion, "addr_ton": &m.AddrTON, "addr_npi": &m.AddrNPI,
			"address_range": &m.AddressRange,
		}
	case *smpp.BindResp:
		return map[string]any{"system_id": &m.SystemID, "tlv": &m.TLVs}
	case *smpp.SubmitSM:
		return messageFields(m)
	case *smpp.DeliverSM:
		return messageFields((*smpp.SubmitSM)(m))
	case *smpp.SubmitSMResp:
		return map[string]any{"message_id": &m.MessageID, "tlv": &m.TLVs}
	case *smpp.DeliverSMResp:
		return map[string]any{"message_id": &m.MessageID, "tlv": &m.TLVs}
	}
	return nil
}

func messageFields(m *smpp.SubmitSM) map[string]any {
	return map[string]any{
		"service_type":    &m.ServiceType,
		"source_addr_ton": &m.SourceAddrTON, "source_addr_npi": &m.SourceAddrNPI, "source_addr": &m.SourceAddr,
		"dest_addr_ton": &m.DestAddrTON, "dest_addr_npi": &m.DestAddrNPI, "destination_addr": &m.DestinationAddr,
		"esm_class": &m.ESMClass, "protocol_id": &m.ProtocolID, "priority_flag": &m.PriorityFlag,
		"schedule_delivery_time": &m.ScheduleDeliveryTime, "validity_period": &m.ValidityPeriod,
		"registered_delivery": &m.RegisteredDelivery, "replace_if_present_flag": &m.ReplaceIfPresent,
		"data_coding": &m.DataCoding, "sm_default_msg_id": &m.SMDefaultMsgID,
		"short_message": &m.ShortMessage, "tlv": &m.TLVs,
	}
}

// setField gives p's field a value.
func setField(p smpp.PDU, name, value string) error {
	where := fields(p)
	if tag, ok := strings.CutPrefix(name, "tlv:"); ok {
		t, ok := where["tlv"].(*smpp.TLVs)
		n, err := strconv.ParseUint(tag, 0, 16)
		if !ok || err != nil {
			return fmt.Errorf("no parameter %s here", name)
		}
		*t = t.With(smpp.Tag(n), value)
		return nil
	}
	switch f := where[name].(type) {
	case *string:
		*f = value
	case *byte:
		n, err := strconv.ParseUint(value, 0, 8)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*f = byte(n)
	default:
		return fmt.Errorf("no field %s", name)
	}
	return nil
}

// getField returns p's field as setField takes it.
func getField(p smpp.PDU, name string) (string, error) {
	where := fields(p)
	if tag, ok := strings.CutPrefix(name, "tlv:"); ok {
		n, err := strconv.ParseUint(tag, 0, 16)
		t, ok := where["tlv"].(*smpp.TLVs)
		if err != nil || !ok {
			return "", fmt.Errorf("no parameter %s here", name)
		}
		if v, ok := t.Get(smpp.Tag(n)); ok {
			return v, nil
		}
		return "", fmt.Errorf("no parameter %s in the PDU", name)
	}
	switch f := where[name].(type) {
	case *string:
		return *f, nil
	case *byte:
		return strconv.Itoa(int(*f)), nil
	}
	return "", fmt.Errorf("no field %s", name)
}

// sameValue compares a field with what a dialogue wants: numbers as numbers.
func sameValue(got, want string) bool {
	if want == "*" || got == want {
		return true
	}
	g, err1 := strconv.ParseUint(got, 0, 32)
	w, err2 := strconv.ParseUint(want, 0, 32)
	return err1 == nil && err2 == nil && g == w && strings.HasPrefix(want, "0x")
}

// octets reads the argument of "> raw": a quoted text or hexadecimal digits.
func octets(s string) ([]byte, error) {
	if strings.HasPrefix(s, `"`) {
		text, err := strconv.Unquote(s)
		return []byte(text), err
	}
	return hex.DecodeString(strings.ReplaceAll(s, " ", ""))
}
