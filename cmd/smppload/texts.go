package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"smppbridge/smpp"
)

// texts are the messages of a run. They are not changed after newTexts.
type texts struct {
	messages []*message
	first    int64 // number of the run's first message
	random   bool
	seed     uint64
	plain    bool
	codings  map[byte]int // how many texts have which data_coding

	// What a receipt's addresses are compared with.
	source string
	prefix string
	phones uint64 // how many different destinations there are
}

// newTexts encodes all texts of o. The run's messages are numbered from first.
func newTexts(o messageOptions, first int64) (*texts, error) {
	if err := checkPrefix(o.destPrefix); err != nil {
		return nil, err
	}
	t := &texts{
		first: first, random: o.random, seed: o.seed, plain: o.plain, codings: make(map[byte]int),
		source: o.source, prefix: o.destPrefix, phones: 1,
	}
	for range phoneDigits - len(o.destPrefix) {
		t.phones *= 10
	}
	all := o.texts
	if len(all) == 0 {
		all = []string{o.text}
	}
	for i, text := range all {
		m, err := newMessage(&o, text)
		if err != nil && len(o.texts) > 0 {
			err = fmt.Errorf("text %d: %w", i+1, err)
		}
		if err != nil {
			return nil, err
		}
		t.messages = append(t.messages, m)
		t.codings[m.coding]++
	}
	return t, nil
}

// of returns the message that number n has: always the same one, so that a repeated
// run sends what the first did.
func (t *texts) of(n int64) *message {
	if len(t.messages) == 1 {
		return t.messages[0]
	}
	return t.choose(uint64(n))
}

// choose is of for many texts.
func (t *texts) choose(n uint64) *message {
	if t.random {
		n = scatter(n ^ scatter(t.seed))
	}
	return t.messages[n%uint64(len(t.messages))]
}

// scatter is the output function of SplitMix64: numbers beside each other become
// numbers that look independent, without a state to share among the binds.
func scatter(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// mostParts is the number of submit_sm of the longest text.
func (t *texts) mostParts() int {
	var most int
	for _, m := range t.messages {
		most = max(most, len(m.parts))
	}
	return most
}

// appendTo appends p as a PDU.
func (t *texts) appendTo(b []byte, seq uint32, p piece) []byte {
	start := len(b)
	b = t.of(p.number()).parts[p.part()].appendTo(b, seq, t.first+p.number())
	if p.again() && !t.plain {
		b = markAgain(b, start)
	}
	return b
}

// phoneOf is what follows the prefix in p's destination, as a number.
func (t *texts) phoneOf(p piece) uint64 { return uint64(t.first+p.number()) % t.phones }

// phoneIn returns the same from a receipt, and whether its addresses are those of
// one of our messages, swapped and letter for letter: only then there is one.
func (t *texts) phoneIn(m *smpp.DeliverSM) (uint64, bool) {
	digits, ok := strings.CutPrefix(m.SourceAddr, t.prefix)
	if !ok || len(m.SourceAddr) != phoneDigits || m.SourceAddrTON != destTON || m.SourceAddrNPI != destNPI ||
		m.DestinationAddr != t.source || m.DestAddrTON != 0 || m.DestAddrNPI != 0 {
		return 0, false
	}
	var n uint64
	for i := range len(digits) {
		c := digits[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = 10*n + uint64(c)
	}
	return n, true
}

// readTexts reads a file with one text to a line, in which \n stands for a line feed
// and \\ for a backslash. Empty lines are skipped.
func readTexts(path string) ([]string, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	escapes := strings.NewReplacer(`\\`, `\`, `\n`, "\n")
	var all []string
	for line := range strings.Lines(string(file)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			all = append(all, escapes.Replace(line))
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no text in the file")
	}
	return all, nil
}
