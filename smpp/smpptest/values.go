package smpptest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"smppbridge/smpp"
)

// errAbsent is returned by Field for a parameter that the PDU could have and has not.
var errAbsent = errors.New("no parameter in the PDU")

// isList reports whether a field of that name may be given several times.
func isList(name string) bool { return name == "dest" || name == "failed" }

// setField gives p's field a value. A parameter, and a field that isList, is added to those there are.
func setField(p smpp.PDU, name, value string) error {
	where := fields(p)
	if parameter, ok := strings.CutPrefix(name, "tlv:"); ok {
		t, ok := where["tlv"].(*smpp.TLVs)
		tag, known := smpp.ParseTag(parameter)
		if !ok || !known {
			return fmt.Errorf("no parameter %s here", name)
		}
		*t = t.With(tag, value)
		return nil
	}
	switch f := where[name].(type) {
	case *string:
		*f = value
	case *byte:
		return setByte(f, name, value)
	case *smpp.MessageState:
		return setByte((*byte)(f), name, value)
	case *[]smpp.Destination:
		d, err := parseDestination(value)
		*f = append(*f, d)
		return err
	case *[]smpp.Unsuccess:
		u, err := parseUnsuccess(value)
		*f = append(*f, u)
		return err
	default:
		return fmt.Errorf("no field %s", name)
	}
	return nil
}

func setByte(b *byte, name, value string) error {
	n, err := strconv.ParseUint(value, 0, 8)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	*b = byte(n)
	return nil
}

// Field returns a field of p as dialogues write it: a number in decimal, several values with
// spaces between them. The error says that p has no such field or parameter.
func Field(p smpp.PDU, name string) (string, error) {
	where := fields(p)
	if parameter, ok := strings.CutPrefix(name, "tlv:"); ok {
		t, ok := where["tlv"].(*smpp.TLVs)
		tag, known := smpp.ParseTag(parameter)
		if !ok || !known {
			return "", fmt.Errorf("no parameter %s here", name)
		}
		if v, ok := t.Get(tag); ok {
			return v, nil
		}
		return "", fmt.Errorf("%s: %w", name, errAbsent)
	}
	switch f := where[name].(type) {
	case *string:
		return *f, nil
	case *byte:
		return strconv.Itoa(int(*f)), nil
	case *smpp.MessageState:
		return strconv.Itoa(int(*f)), nil
	case *[]smpp.Destination:
		return join(*f, formatDestination), nil
	case *[]smpp.Unsuccess:
		return join(*f, formatUnsuccess), nil
	}
	return "", fmt.Errorf("no field %s", name)
}

// parseDestination reads 1/1/8613900000000 (TON, NPI, address) or list:name.
func parseDestination(s string) (smpp.Destination, error) {
	if name, ok := strings.CutPrefix(s, "list:"); ok {
		return smpp.Destination{List: name}, nil
	}
	ton, npi, addr, err := parseAddress(s)
	return smpp.Destination{TON: ton, NPI: npi, Addr: addr}, err
}

func formatDestination(d smpp.Destination) string {
	if d.List != "" {
		return "list:" + d.List
	}
	return fmt.Sprintf("%d/%d/%s", d.TON, d.NPI, d.Addr)
}

// parseUnsuccess reads 1/1/8613900000000/ESME_RINVDSTADR.
func parseUnsuccess(s string) (smpp.Unsuccess, error) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return smpp.Unsuccess{}, fmt.Errorf("%s: want TON/NPI/address/status", s)
	}
	st, ok := smpp.ParseStatus(s[i+1:])
	if !ok {
		return smpp.Unsuccess{}, fmt.Errorf("no status %s", s[i+1:])
	}
	ton, npi, addr, err := parseAddress(s[:i])
	return smpp.Unsuccess{TON: ton, NPI: npi, Addr: addr, Status: st}, err
}

func formatUnsuccess(u smpp.Unsuccess) string {
	return fmt.Sprintf("%d/%d/%s/%s", u.TON, u.NPI, u.Addr, u.Status)
}

func parseAddress(s string) (ton, npi byte, addr string, err error) {
	parts := strings.SplitN(s, "/", 3)
	if len(parts) != 3 {
		return 0, 0, "", fmt.Errorf("%s: want TON/NPI/address", s)
	}
	if err := setByte(&ton, "TON", parts[0]); err != nil {
		return 0, 0, "", err
	}
	err = setByte(&npi, "NPI", parts[1])
	return ton, npi, parts[2], err
}

func join[T any](list []T, format func(T) string) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = format(v)
	}
	return strings.Join(words, " ")
}

// sameValue compares a field with what a dialogue wants: numbers as numbers, and anything where
// the dialogue has an asterisk.
func sameValue(got, want string) bool {
	if want == "*" || want == "any" || got == want {
		return true
	}
	if strings.Contains(want, "*") {
		return matches(got, strings.Split(want, "*"))
	}
	g, err1 := strconv.ParseUint(got, 0, 32)
	w, err2 := strconv.ParseUint(want, 0, 32)
	return err1 == nil && err2 == nil && g == w && strings.HasPrefix(want, "0x")
}

// matches reports whether s is parts, in their order, with anything between them.
func matches(s string, parts []string) bool {
	last := len(parts) - 1
	s, ok := strings.CutPrefix(s, parts[0])
	for _, part := range parts[1:last] {
		at := strings.Index(s, part)
		if !ok || at < 0 {
			return false
		}
		s = s[at+len(part):]
	}
	return ok && strings.HasSuffix(s, parts[last])
}

// octets reads the argument of "> raw": a quoted text or hexadecimal digits.
func octets(s string) ([]byte, error) {
	if strings.HasPrefix(s, `"`) {
		text, err := strconv.Unquote(s)
		return []byte(text), err
	}
	return hex.DecodeString(strings.ReplaceAll(s, " ", ""))
}
