package smpp

// A CancelSM is a cancel_sm (SMPP 3.4, 4.9.1). Without a MessageID it means all messages between
// the two addresses.
type CancelSM struct {
	ServiceType     string
	MessageID       string
	SourceAddrTON   byte
	SourceAddrNPI   byte
	SourceAddr      string
	DestAddrTON     byte
	DestAddrNPI     byte
	DestinationAddr string
}

// A CancelSMResp answers a CancelSM (SMPP 3.4, 4.9.2).
type CancelSMResp struct{ noBody }
