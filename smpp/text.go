package smpp

import "fmt"

// An Alphabet is a way of writing text in octets.
type Alphabet uint8

// The alphabets this package reads and writes. The zero value is what the
// standard has in mind for data_coding 0.
const (
	AlphabetGSM7   Alphabet = iota // GSM 03.38, one octet to a septet, extension table behind 0x1B
	AlphabetASCII                  // IA5
	AlphabetLatin1                 // ISO 8859-1
	AlphabetUCS2                   // UTF-16BE; little-endian behind a byte order mark
	AlphabetUTF8                   // what some clients send as data_coding 0
)

// String returns the alphabet's usual name.
func (a Alphabet) String() string {
	switch a {
	case AlphabetGSM7:
		return "GSM 7-bit"
	case AlphabetASCII:
		return "ASCII"
	case AlphabetLatin1:
		return "Latin-1"
	case AlphabetUCS2:
		return "UCS-2"
	case AlphabetUTF8:
		return "UTF-8"
	}
	return fmt.Sprintf("alphabet %d", uint8(a))
}

// Values of data_coding (SMPP 3.4, 5.2.19).
const (
	DataCodingDefault byte = 0x00 // an alphabet the two sides agreed on
	DataCodingASCII   byte = 0x01
	DataCodingLatin1  byte = 0x03
	DataCodingUCS2    byte = 0x08
)

// A TextError says where octets are not text, or text has no octets, in an
// alphabet. It does not say what is there.
type TextError struct {
	Alphabet Alphabet
	Offset   int // in octets, from the start of what was to be decoded or encoded
}

// Error names the alphabet and the offset.
func (e *TextError) Error() string {
	return fmt.Sprintf("not %s at offset %d", e.Alphabet, e.Offset)
}

// DecodeText returns the text that octets hold, as UTF-8. zero is the alphabet of
// data_coding 0. The octets are what follows a user data header, if there is one.
//
// The error is a *StatusError: ESME_RINVDCS for a data_coding that is not text or
// not known, and around a *TextError for octets that are not in its alphabet;
// ESME_RINVMSGLEN for half a UCS-2 character.
func DecodeText(dataCoding byte, zero Alphabet, octets string) (string, error) {
	a, err := alphabetOf(dataCoding, zero)
	if err != nil {
		return "", err
	}
	switch a {
	case AlphabetGSM7:
		return decodeGSM7(octets)
	case AlphabetASCII:
		return decodeASCII(octets)
	case AlphabetLatin1:
		return decodeLatin1(octets), nil
	case AlphabetUCS2:
		return decodeUCS2(octets)
	case AlphabetUTF8:
		return checkUTF8(octets)
	}
	return "", statusErrorf(StatusInvDCS, "no such alphabet: %d", a)
}

// EncodeText returns text's octets in the alphabet of dataCoding. The error is a
// *StatusError as DecodeText's.
func EncodeText(dataCoding byte, zero Alphabet, text string) (string, error) {
	a, err := alphabetOf(dataCoding, zero)
	if err != nil {
		return "", err
	}
	switch a {
	case AlphabetGSM7:
		return encodeGSM7(text)
	case AlphabetASCII:
		return decodeASCII(text) // the same octets both ways
	case AlphabetLatin1:
		return encodeLatin1(text)
	case AlphabetUCS2:
		return encodeUCS2(text)
	case AlphabetUTF8:
		return checkUTF8(text)
	}
	return "", statusErrorf(StatusInvDCS, "no such alphabet: %d", a)
}

// ChooseDataCoding returns the data_coding that carries text: 0 if zero, the
// alphabet of data_coding 0, has every character of it, otherwise UCS-2's.
func ChooseDataCoding(zero Alphabet, text string) byte {
	if _, err := EncodeText(DataCodingDefault, zero, text); err == nil {
		return DataCodingDefault
	}
	return DataCodingUCS2
}

// alphabetOf is where a further data_coding (15 for GBK, 6 for Cyrillic, 10 for
// ISO-2022-JP, ...) gets its alphabet. Binary data, compressed text and the message
// classes of GSM are not text that a template could match.
func alphabetOf(dataCoding byte, zero Alphabet) (Alphabet, error) {
	switch dataCoding {
	case DataCodingDefault:
		return zero, nil
	case DataCodingASCII:
		return AlphabetASCII, nil
	case DataCodingLatin1:
		return AlphabetLatin1, nil
	case DataCodingUCS2:
		return AlphabetUCS2, nil
	}
	return 0, statusErrorf(StatusInvDCS, "data_coding 0x%02X is not supported", dataCoding)
}

// notIn makes the error of octets or text that alphabet a has no place for.
func notIn(a Alphabet, offset int) error {
	return &StatusError{Status: StatusInvDCS, Err: &TextError{Alphabet: a, Offset: offset}}
}
