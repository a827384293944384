package smpp

// A QuerySM is a query_sm (SMPP 3.4, 4.8.1).
type QuerySM struct {
	MessageID     string
	SourceAddrTON byte
	SourceAddrNPI byte
	SourceAddr    string
}

// A QuerySMResp answers a QuerySM (SMPP 3.4, 4.8.2).
type QuerySMResp struct {
	MessageID    string
	FinalDate    string // absolute, as FormatTime writes it; empty while the message is not final
	MessageState MessageState
	ErrorCode    byte
	TLVs         TLVs
}
