package smpp

// MaxDestinations is the most destinations a submit_multi has (SMPP 3.4, 4.5.1).
const MaxDestinations = 254

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
