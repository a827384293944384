package bridge

import (
	"crypto/sha256"
	"encoding/binary"

	"smppbridge/store"
)

// digest is of what makes two messages of an account the same SMS, for accounts with a dedupe window:
// source, destination, text, template and parameters, the part's place, and the time it is to be sent
// at, as the ESME wrote it. A reminder for ten and the same one for two o'clock are two. So are a message
// whose answer waits for the API and one that is answered at once (a submit_multi): the first may yet be
// refused without a receipt, and ESME_ROK for the second would promise one. Each field goes in behind its
// length, so that no two lists of fields read the same.
func digest(m *store.Message, schedule string) [16]byte {
	b := make([]byte, 0, 512)
	b = append(b, m.Source.TON, m.Source.NPI, m.DataCoding, m.Segment.Total, m.Segment.Seq)
	b = binary.BigEndian.AppendUint16(b, m.Segment.Ref)
	late := byte(0)
	if m.AnswerBy != 0 {
		late = 1
	}
	b = append(b, late)
	for _, field := range [...]string{m.Source.Addr, m.Phone, m.Text, m.SignName, m.TemplateCode, m.Params, schedule} {
		b = binary.AppendUvarint(b, uint64(len(field)))
		b = append(b, field...)
	}
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}
