package smpptest

import "smppbridge/smpp"

// fields returns where p keeps each field, by the standard's name: *string, *byte,
// *smpp.MessageState, *smpp.TLVs, *[]smpp.Destination or *[]smpp.Unsuccess.
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
	case *smpp.DataSMResp:
		return map[string]any{"message_id": &m.MessageID, "tlv": &m.TLVs}
	case *smpp.SubmitMultiResp:
		return map[string]any{"message_id": &m.MessageID, "failed": &m.Failed, "tlv": &m.TLVs}
	case *smpp.Outbind:
		return map[string]any{"system_id": &m.SystemID, "password": &m.Password}
	}
	return otherFields(p)
}

// otherFields is fields for what is not a bind or a message.
func otherFields(p smpp.PDU) map[string]any {
	switch m := p.(type) {
	case *smpp.SubmitMulti:
		return multiFields(m)
	case *smpp.DataSM:
		return dataFields(m)
	case *smpp.QuerySM:
		return map[string]any{
			"message_id":      &m.MessageID,
			"source_addr_ton": &m.SourceAddrTON, "source_addr_npi": &m.SourceAddrNPI, "source_addr": &m.SourceAddr,
		}
	case *smpp.QuerySMResp:
		return map[string]any{
			"message_id": &m.MessageID, "final_date": &m.FinalDate, "message_state": &m.MessageState,
			"error_code": &m.ErrorCode, "tlv": &m.TLVs,
		}
	case *smpp.CancelSM:
		return map[string]any{
			"service_type": &m.ServiceType, "message_id": &m.MessageID,
			"source_addr_ton": &m.SourceAddrTON, "source_addr_npi": &m.SourceAddrNPI, "source_addr": &m.SourceAddr,
			"dest_addr_ton": &m.DestAddrTON, "dest_addr_npi": &m.DestAddrNPI, "destination_addr": &m.DestinationAddr,
		}
	case *smpp.ReplaceSM:
		return map[string]any{
			"message_id":      &m.MessageID,
			"source_addr_ton": &m.SourceAddrTON, "source_addr_npi": &m.SourceAddrNPI, "source_addr": &m.SourceAddr,
			"schedule_delivery_time": &m.ScheduleDeliveryTime, "validity_period": &m.ValidityPeriod,
			"registered_delivery": &m.RegisteredDelivery, "sm_default_msg_id": &m.SMDefaultMsgID,
			"short_message": &m.ShortMessage, "tlv": &m.TLVs,
		}
	case *smpp.AlertNotification:
		return map[string]any{
			"source_addr_ton": &m.SourceAddrTON, "source_addr_npi": &m.SourceAddrNPI, "source_addr": &m.SourceAddr,
			"esme_addr_ton": &m.ESMEAddrTON, "esme_addr_npi": &m.ESMEAddrNPI, "esme_addr": &m.ESMEAddr, "tlv": &m.TLVs,
		}
	}
	return nil
}

// multiFields are submit_sm's with dest in the place of the one destination.
func multiFields(m *smpp.SubmitMulti) map[string]any {
	f := messageFields(&m.Message)
	for _, name := range []string{"dest_addr_ton", "dest_addr_npi", "destination_addr"} {
		delete(f, name)
	}
	f["dest"] = &m.Destinations
	return f
}

func dataFields(m *smpp.DataSM) map[string]any {
	return map[string]any{
		"service_type":    &m.ServiceType,
		"source_addr_ton": &m.SourceAddrTON, "source_addr_npi": &m.SourceAddrNPI, "source_addr": &m.SourceAddr,
		"dest_addr_ton": &m.DestAddrTON, "dest_addr_npi": &m.DestAddrNPI, "destination_addr": &m.DestinationAddr,
		"esm_class": &m.ESMClass, "registered_delivery": &m.RegisteredDelivery, "data_coding": &m.DataCoding,
		"tlv": &m.TLVs,
	}
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
