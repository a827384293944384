package bridge

import (
	"unicode/utf16"

	"smppbridge/bridge/template"
	"smppbridge/smpp"
)

// What fits into one segment, and into each of several (aliyun-facts, 4).
const (
	oneSegment, eachSegment = 70, 67   // characters
	oneGSM, eachGSM         = 160, 153 // septets, abroad
)

// segments is what the API bills the message as. At home each character counts one, those of the signature too. Abroad it
// depends on the alphabet; whether a signature counts there is not documented: it does not here.
func (p *planned) segments() int {
	m, set := &p.Message, p.ways.account.set
	if p.template.numbers == numbersMainland || p.template.numbers == numbersAny && isMainlandMobile(m.Phone) {
		n, _ := set.Characters(p.template.Code, m.Params)
		return segmentsOf(n+template.Signature(m.SignName), oneSegment, eachSegment)
	}
	text, _ := set.Text(p.template.Code, m.Params)
	if octets, err := smpp.EncodeText(smpp.DataCodingDefault, smpp.AlphabetGSM7, text); err == nil {
		return segmentsOf(len(octets), oneGSM, eachGSM)
	}
	units := 0
	for _, c := range text {
		units += utf16.RuneLen(c)
	}
	return segmentsOf(units, oneSegment, eachSegment)
}

func segmentsOf(n, one, each int) int {
	if n <= one {
		return 1
	}
	return (n + each - 1) / each
}
