package main

import (
	"fmt"
	"strings"
)

// A message is one text to one phone. Every phone is used once, so that the ledger tells messages apart.
type message struct {
	Name   string `json:"name"`
	To     string `json:"to"`
	Text   string `json:"text"`
	Coding string `json:"coding"` // gsm, latin1, ucs2; auto = the library chooses
	Form   string `json:"form"`   // single, flash (message class 0), payload (message_payload), parts (UDH)
	status uint32 // what submit_sm_resp must say
}

// A job is what a client is asked to do; the scripts in clients/ read it as JSON.
type job struct {
	Host     string    `json:"host"`
	Port     int       `json:"port"`
	SystemID string    `json:"system_id"`
	Password string    `json:"password"`
	Source   string    `json:"source"`
	Binds    []string  `json:"binds"`
	Version  string    `json:"version"`
	Messages []message `json:"messages"`

	Operations operands `json:"operations"`
}

// Statuses of SMPP 3.4, 5.1.3.
const (
	statusOK          = 0x00
	statusInvDstAddr  = 0x0B
	statusInvPassword = 0x0E
)

// source is the source_addr of every message.
const source = "1069"

// messages are what every client that can submits. Each long text has at a cut of the usual 153 or 134 octets,
// or near it, a character of two septets or two UTF-16 units.
func messages() []message {
	long := "Long " + strings.Repeat("a", 146) + "€" + strings.Repeat("{b}", 50)
	return []message{
		{Name: "ASCII", Text: "Hello, 0123456789; (a+b)*c = 100%?", Coding: "gsm", Form: "single"},
		{Name: "GSM", Text: "@£$¥ [x] {y} ~^|\\ € Ñüà ÇØåÆß ΔΦΓΛΩΠΨΣΘΞ ¡¿§¤", Coding: "gsm", Form: "single"},
		{Name: "auto", Text: "Hello, 0123456789", Coding: "auto", Form: "single"},
		{Name: "auto GSM", Text: "Price 5€ @ [1]", Coding: "auto", Form: "single"},
		{Name: "latin-1", Text: "À propos: ñandú, Üß, ½ ©", Coding: "latin1", Form: "single"},
		{Name: "UCS-2", Text: "您的快递已到，取件码 A-12。", Coding: "ucs2", Form: "single"},
		{Name: "surrogate pair", Text: "𠮷野家 𝄞 您好", Coding: "ucs2", Form: "single"},
		{Name: "flash", Text: "Flash @ [1]", Coding: "gsm", Form: "flash"},
		{Name: "flash UCS-2", Text: "闪信：您好", Coding: "ucs2", Form: "flash"},
		{Name: "payload", Text: strings.Repeat("长短信一条，", 60) + "𠮷", Coding: "ucs2", Form: "payload"},
		{Name: "parts", Text: long, Coding: "gsm", Form: "parts"},
		{Name: "parts UCS-2", Text: strings.Repeat("分", 66) + "𠮷" + strings.Repeat("段", 90), Coding: "ucs2", Form: "parts"},
		{Name: "refused address", To: "12", Text: "Hello", Coding: "gsm", Form: "single", status: statusInvDstAddr},
	}
}

// messagesFor are the messages of the n-th client.
func messagesFor(c client, n int) []message {
	var list []message
	for i, m := range messages() {
		if _, skip := c.skips[m.Name]; skip {
			continue
		}
		if m.To == "" {
			m.To = fmt.Sprintf("139%04d%04d", n+1, i+1)
		}
		list = append(list, m)
	}
	return list
}
