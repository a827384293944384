package smpp

// Values of data_coding (SMPP 3.4, 5.2.19). What is neither here nor text in one of
// GSM's groups is refused: binary data (2, 4), alphabets that nobody sends (5, 9, 10,
// 13, 14), and what is reserved.
const (
	DataCodingDefault  byte = 0x00 // an alphabet the two sides agreed on
	DataCodingASCII    byte = 0x01
	DataCodingLatin1   byte = 0x03
	DataCodingCyrillic byte = 0x06
	DataCodingHebrew   byte = 0x07
	DataCodingUCS2     byte = 0x08
	DataCodingGBK      byte = 0x0F // not the standard's: clients made for CMPP send it
)

// alphabetOf returns the alphabet of a data_coding, or ESME_RINVDCS where it does not
// say text that can be read. zero is what 0 means.
func alphabetOf(dataCoding byte, zero Alphabet) (Alphabet, error) {
	switch dataCoding {
	case DataCodingDefault:
		return zero, nil
	case DataCodingASCII:
		return AlphabetASCII, nil
	case DataCodingLatin1:
		return AlphabetLatin1, nil
	case DataCodingCyrillic:
		return AlphabetCyrillic, nil
	case DataCodingHebrew:
		return AlphabetHebrew, nil
	case DataCodingUCS2:
		return AlphabetUCS2, nil
	case DataCodingGBK:
		return AlphabetGBK, nil
	}
	if a, ok := gsmAlphabet(dataCoding); ok {
		return a, nil
	}
	return 0, statusErrorf(StatusInvDCS, "data_coding 0x%02X is not supported", dataCoding)
}

// gsmAlphabet reads a data_coding as GSM's (3GPP TS 23.038, 4) where SMPP leaves it to
// GSM: text with a message class, in the general group (0x10 to 0x1F) or in the group
// made for it (0xF0 to 0xFF). ok is false for 8-bit data, for compressed text (0x20 to
// 0x3F), and for the groups that ask for what cannot be done here: automatic deletion
// (0x40 to 0x7F) and message waiting (0xC0 to 0xEF).
//
// The alphabet is GSM's even for an account whose data_coding 0 is another: a client
// that uses GSM's groups writes GSM's alphabet in them, whatever it was set to for 0.
// The class itself (0: shown at once and not kept) means nothing to the API. It is
// dropped, and the text is sent as any other.
func gsmAlphabet(dataCoding byte) (a Alphabet, ok bool) {
	switch dataCoding >> 4 {
	case 0x1:
		switch dataCoding >> 2 & 3 {
		case 0:
			return AlphabetGSM7, true
		case 2:
			return AlphabetUCS2, true
		}
	case 0xF:
		return AlphabetGSM7, dataCoding&0x04 == 0
	}
	return 0, false
}
