package smpp

// A ReplaceSM is a replace_sm (SMPP 3.4, 4.10.1). It has no data_coding: the text is in that of
// the message it replaces.
type ReplaceSM struct {
	MessageID            string
	SourceAddrTON        byte
	SourceAddrNPI        byte
	SourceAddr           string
	ScheduleDeliveryTime string
	ValidityPeriod       string
	RegisteredDelivery   byte
	SMDefaultMsgID       byte
	ShortMessage         string
	TLVs                 TLVs // none in 3.4; message_payload in 5.0
}

// A ReplaceSMResp answers a ReplaceSM (SMPP 3.4, 4.10.2).
type ReplaceSMResp struct{ noBody }
