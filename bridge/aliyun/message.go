package aliyun

import "smppbridge/bridge"

// Bounds of an incoming message; longer ones are none.
const (
	maxDestCode   = 32
	maxSequenceID = 64
	maxContent    = 16 << 10 // octets; a text of many parts has 2,000 characters
)

// pushedMessage is one incoming message (SmsUp), as a push and the message queue spell it.
type pushedMessage struct {
	Phone      looseString `json:"phone_number"`
	SendTime   looseString `json:"send_time"`
	Content    string      `json:"content"`
	SignName   looseString `json:"sign_name"`
	DestCode   looseString `json:"dest_code"`
	SequenceID looseString `json:"sequence_id"` // a number in some documents, a string in others
}

// usable reports whether m is a message of somebody's to somebody.
func (m *pushedMessage) usable() bool {
	return m.Phone != "" && len(m.Phone) <= maxPhone && m.DestCode != "" && len(m.DestCode) <= maxDestCode &&
		len(m.SequenceID) <= maxSequenceID && len(m.Content) <= maxContent
}

// incoming is m in the bridge's terms.
func (m *pushedMessage) incoming() bridge.IncomingMessage {
	return bridge.IncomingMessage{
		Phone: bareNumber(string(m.Phone)), DestCode: string(m.DestCode), SignName: string(m.SignName), Text: m.Content,
		SentAt: parseTime(string(m.SendTime)), ID: string(m.SequenceID),
	}
}
