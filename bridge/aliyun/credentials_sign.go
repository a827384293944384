package aliyun

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// acs3 is the signature that STS is asked with. The SDK has it too, but only around its own client,
// which can neither be cancelled nor keep what it signed out of its errors.
const acs3 = "ACS3-HMAC-SHA256"

// An apiAction names what is called.
type apiAction struct{ name, version string }

// newNonce is a number used once.
func newNonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// signACS3 makes a request without a body one of the action, signed with keys.
func signACS3(r *http.Request, keys Keys, action apiAction, now time.Time) {
	key := keys.reveal()
	h := r.Header
	h.Set("x-acs-action", action.name)
	h.Set("x-acs-version", action.version)
	h.Set("x-acs-date", now.UTC().Format("2006-01-02T15:04:05Z"))
	h.Set("x-acs-signature-nonce", newNonce())
	h.Set("x-acs-content-sha256", hashed(""))
	if key.token != "" {
		h.Set("x-acs-accesskey-id", key.id)
		h.Set("x-acs-security-token", key.token)
	}
	names, signature := signatureACS3(r, key.secret)
	h.Set("Authorization", acs3+" Credential="+key.id+",SignedHeaders="+names+",Signature="+signature)
}

// signatureACS3 signs the method, the path "/", the query, the host, and all headers that begin with
// x-acs-. It returns the names of the signed headers, too.
func signatureACS3(r *http.Request, secret string) (names, signature string) {
	values := map[string]string{"host": r.URL.Host}
	signed := []string{"host"}
	for name, v := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-acs-") {
			values[lower] = strings.TrimSpace(v[0])
			signed = append(signed, lower)
		}
	}
	slices.Sort(signed)
	var lines strings.Builder
	for _, name := range signed {
		lines.WriteString(name + ":" + values[name] + "\n")
	}
	names = strings.Join(signed, ";")
	// Query.Encode sorts; it differs from RFC 3986 in the space only.
	query := strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")
	canonical := strings.Join([]string{r.Method, "/", query, lines.String(), names, values["x-acs-content-sha256"]}, "\n")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(acs3 + "\n" + hashed(canonical)))
	return names, hex.EncodeToString(mac.Sum(nil))
}

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
