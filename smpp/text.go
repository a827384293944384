package smpp

import "fmt"

// An Alphabet is a way of writing text in octets.
type Alphabet uint8

// The alphabets this package reads and writes. The zero value is what the
// standard has in mind for data_coding 0.
const (
	AlphabetGSM7     Alphabet = iota // GSM 03.38, one octet to a septet, extension table behind 0x1B
	AlphabetASCII                    // IA5
	AlphabetLatin1                   // ISO 8859-1
	AlphabetUCS2                     // UTF-16BE; little-endian behind a byte order mark
	AlphabetUTF8                     // what some clients send as data_coding 0
	AlphabetGBK                      // GB 18030, of which GBK and GB 2312 are parts
	AlphabetCyrillic                 // ISO 8859-5
	AlphabetHebrew                   // ISO 8859-8, in the order it comes in

	alphabets // how many there are
)

var alphabetNames = [alphabets]string{
	"GSM 7-bit", "ASCII", "Latin-1", "UCS-2", "UTF-8", "GB 18030", "ISO 8859-5", "ISO 8859-8",
}

// String returns the alphabet's usual name.
func (a Alphabet) String() string {
	if a < alphabets {
		return alphabetNames[a]
	}
	return fmt.Sprintf("alphabet %d", uint8(a))
}

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
// data_coding 0. The octets are what follows a user data header, if there is one,
// or those of all parts of a long message in their order: a character may be cut
// between two parts, and each UCS-2 part may begin with a byte order mark of its own.
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
	case AlphabetGBK:
		return decodeGBK(octets)
	case AlphabetCyrillic, AlphabetHebrew:
		return decodeISO(a, octets)
	}
	return "", statusErrorf(StatusInvDCS, "no such alphabet: %d", a)
}

// EncodeText returns text's octets in the alphabet of dataCoding. The error is a
// *StatusError as DecodeText's. A U+FEFF is written, but reads as a byte order mark.
func EncodeText(dataCoding byte, zero Alphabet, text string) (string, error) {
	a, err := alphabetOf(dataCoding, zero)
	if err != nil {
		return "", err
	}
	switch a {
	case AlphabetGSM7:
		return encodeGSM7(text)
	case AlphabetASCII:
		return encodeASCII(text)
	case AlphabetLatin1:
		return encodeLatin1(text)
	case AlphabetUCS2:
		return encodeUCS2(text)
	case AlphabetUTF8:
		return checkUTF8(text)
	case AlphabetGBK:
		return encodeGBK(text)
	case AlphabetCyrillic, AlphabetHebrew:
		return encodeISO(a, text)
	}
	return "", statusErrorf(StatusInvDCS, "no such alphabet: %d", a)
}

// CheckPart returns the error that the octets of one part of a long message make
// certain before the other parts have come. A character may be cut between two
// parts: the septets of a GSM extension, a surrogate pair, the octets of a GB 18030
// or UTF-8 character. A UTF-16 unit may not: each part has whole ones. The octets of
// all parts, joined as they are, are what [DecodeText] takes; byte order marks need
// no care. The error is a *StatusError as DecodeText's.
func CheckPart(dataCoding byte, zero Alphabet, octets string) error {
	a, err := alphabetOf(dataCoding, zero)
	if err != nil {
		return err
	}
	switch a {
	case AlphabetUCS2:
		return wholeUnits(octets)
	case AlphabetGSM7, AlphabetASCII:
		if i := sevenBits(octets); i < len(octets) {
			return notIn(a, i)
		}
	case AlphabetLatin1, AlphabetUTF8, AlphabetGBK:
	case AlphabetCyrillic, AlphabetHebrew:
		_, err := decodeISO(a, octets)
		return err
	default:
		return statusErrorf(StatusInvDCS, "no such alphabet: %d", a)
	}
	return nil
}

// ChooseDataCoding returns the data_coding that carries text: 0 if zero, the
// alphabet of data_coding 0, has every character of it, otherwise UCS-2's.
func ChooseDataCoding(zero Alphabet, text string) byte {
	if _, err := EncodeText(DataCodingDefault, zero, text); err == nil {
		return DataCodingDefault
	}
	return DataCodingUCS2
}

// notIn makes the error of octets or text that alphabet a has no place for.
func notIn(a Alphabet, offset int) error {
	return &StatusError{Status: StatusInvDCS, Err: &TextError{Alphabet: a, Offset: offset}}
}
