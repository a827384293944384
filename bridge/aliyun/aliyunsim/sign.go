package aliyunsim

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"
)

// acs3 is the algorithm of V3 signatures, the first word of their Authorization header.
const acs3 = "ACS3-HMAC-SHA256"

// An authorization is a decoded Authorization header of the V3 algorithm.
type authorization struct {
	keyID     string
	headers   string // the names of the signed headers, ascending, separated by semicolons
	signature string
}

// parseAuthorization decodes "ACS3-HMAC-SHA256 Credential=…,SignedHeaders=…,Signature=…".
func parseAuthorization(h string) (a authorization, ok bool) {
	algorithm, rest, _ := strings.Cut(h, " ")
	if algorithm != acs3 {
		return a, false
	}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			a.keyID = value
		case "SignedHeaders":
			a.headers = value
		case "Signature":
			a.signature = value
		}
	}
	return a, a.keyID != "" && a.headers != "" && a.signature != ""
}

// emptySum is the SHA-256 of no body, which is what SendSms has.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// verifyACS3 reports whether a is the signature of c by cred's key. If it is not, toSign is what had to be signed.
func verifyACS3(c *call, a authorization, cred *credential) (toSign string, ok bool) {
	payload := emptySum
	if len(c.body) > 0 {
		sum := sha256.Sum256(c.body)
		payload = hex.EncodeToString(sum[:])
	}
	if claimed := c.r.Header.Get("X-Acs-Content-Sha256"); claimed != "" && claimed != payload {
		return "x-acs-content-sha256 of the body: " + payload, false
	}
	buf := make([]byte, 0, 2048)
	buf = append(buf, c.r.Method...)
	buf = append(buf, '\n')
	buf = append(buf, c.r.URL.EscapedPath()...)
	buf = append(buf, '\n')
	buf = appendCanonicalParams(buf, c.query, "")
	buf = append(buf, '\n')
	buf, complete := appendSignedHeaders(buf, c.r, a.headers)
	buf = append(buf, '\n')
	buf = append(buf, a.headers...)
	buf = append(buf, '\n')
	buf = append(buf, payload...)
	sum := sha256.Sum256(buf)

	mac := cred.macs.Get().(hash.Hash)
	defer cred.macs.Put(mac)
	mac.Reset()
	var short [256]byte // what is signed, and later what that gives
	line := append(short[:0], acs3+"\n"...)
	line = hex.AppendEncode(line, sum[:])
	mac.Write(line)
	want := hex.AppendEncode(short[:0], mac.Sum(sum[:0]))
	if complete && hmac.Equal(want, []byte(a.signature)) {
		return "", true
	}
	sum = sha256.Sum256(buf)
	return acs3 + "\n" + hex.EncodeToString(sum[:]) + ", canonical request:" + string(buf), false
}

// appendSignedHeaders appends the canonical headers that names lists. complete says that all is signed
// that has to be: the host, the content type if there is one, and every x-acs- header, each once.
func appendSignedHeaders(buf []byte, r *http.Request, names string) (_ []byte, complete bool) {
	host, contentType, acs := false, r.Header["Content-Type"] == nil, 0
	last := ""
	complete = true
	for name := range strings.SplitSeq(names, ";") {
		complete = complete && name > last
		last = name
		buf = append(buf, name...)
		buf = append(buf, ':')
		switch {
		case name == "host":
			host = true
			buf = append(buf, r.Host...)
		default:
			if name == "content-type" {
				contentType = true
			} else if strings.HasPrefix(name, "x-acs-") {
				acs++
			}
			buf = appendHeaderValues(buf, r.Header, name)
		}
		buf = append(buf, '\n')
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Acs-") {
			acs--
		}
	}
	return buf, complete && host && contentType && acs == 0
}

// appendHeaderValues appends the values of the header whose name is given in lower case.
func appendHeaderValues(buf []byte, h http.Header, name string) []byte {
	var canonical [64]byte
	if len(name) > len(canonical) {
		return buf
	}
	upper := true
	for i := range len(name) {
		b := name[i]
		if upper && 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		canonical[i] = b
		upper = b == '-'
	}
	for i, v := range h[string(canonical[:len(name)])] {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, strings.TrimSpace(v)...)
	}
	return buf
}

// verifyV1 reports whether c carries key's RPC v1 signature. If it does not, toSign is what had to be signed.
func verifyV1(c *call, key *Key) (toSign string, ok bool) {
	query := appendCanonicalParams(make([]byte, 0, 1024), c.params, "Signature")
	buf := make([]byte, 0, 2*len(query)+16)
	buf = append(buf, c.r.Method...)
	buf = append(buf, "&%2F&"...)
	buf = appendEscaped(buf, string(query))
	mac := hmac.New(sha1.New, []byte(key.Secret+"&"))
	mac.Write(buf)
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if hmac.Equal([]byte(want), []byte(c.get("Signature"))) {
		return "", true
	}
	return string(buf), false
}

// appendCanonicalParams appends name=value pairs joined by ampersands, both sides percent-encoded, all
// but the parameter called except.
func appendCanonicalParams(buf []byte, params []param, except string) []byte {
	first := true
	for i := range params {
		if except != "" && params[i].name == except {
			continue
		}
		if !first {
			buf = append(buf, '&')
		}
		first = false
		buf = appendEscaped(buf, params[i].name)
		buf = append(buf, '=')
		buf = appendEscaped(buf, params[i].value)
	}
	return buf
}

// appendEscaped appends s percent-encoded as RFC 3986, 2.3 has it: only letters, digits and -_.~ stand for
// themselves, whatever the encoding on the wire was.
func appendEscaped(buf []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		b := s[i]
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == '.', b == '~':
			buf = append(buf, b)
		default:
			buf = append(buf, '%', digits[b>>4], digits[b&15])
		}
	}
	return buf
}
