package aliyun

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"smppbridge/bridge"
	"smppbridge/store"
)

// What follows signs as Alibaba Cloud's documentation says ("Request structure and signature", V3 and RPC), from the
// octets on the wire, with nothing of the SDK's and nothing of the simulator's.

// percent spells s as RFC 3986 has it: letters, digits and -_.~ stay.
func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// plain reads what a form or a query says: percent and plus.
func plain(t *testing.T, s string) string {
	t.Helper()
	var b []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s):
			octet, err := hex.DecodeString(s[i+1 : i+3])
			if err != nil {
				t.Fatal(err)
			}
			b, i = append(b, octet...), i+2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

// canonical sorts the parameters of a query and spells them anew.
func canonical(t *testing.T, raw string) string {
	t.Helper()
	var list []string
	for _, pair := range strings.Split(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		list = append(list, percent(plain(t, name))+"="+percent(plain(t, value)))
	}
	slices.Sort(list)
	return strings.Join(list, "&")
}

// A captured request is what came over the wire.
type captured struct {
	method, target string
	header         map[string]string // names in lower case
	body           string
}

// signV3 is the signature of a request by ACS3-HMAC-SHA256 with a list of headers.
func (c captured) signV3(t *testing.T, secret, signed string) string {
	t.Helper()
	path, query, _ := strings.Cut(c.target, "?")
	sum := sha256.Sum256([]byte(c.body))
	text := c.method + "\n" + path + "\n" + canonical(t, query) + "\n"
	for _, name := range strings.Split(signed, ";") {
		text += name + ":" + strings.TrimSpace(c.header[name]) + "\n"
	}
	text += "\n" + signed + "\n" + hex.EncodeToString(sum[:])
	hashed := sha256.Sum256([]byte(text))
	mac := hmac.New(sha256.New, []byte(secret))
	io.WriteString(mac, "ACS3-HMAC-SHA256\n"+hex.EncodeToString(hashed[:]))
	return hex.EncodeToString(mac.Sum(nil))
}

// signV1 is the signature of a request by the RPC style, HMAC-SHA1.
func signV1(t *testing.T, method, secret, params string) string {
	t.Helper()
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	io.WriteString(mac, method+"&%2F&"+percent(canonical(t, params)))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// The documentation's own examples, so that the checker is checked.
func TestDocumentedSignatures(t *testing.T) {
	const nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	v3 := captured{"POST", "/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai", map[string]string{
		"host": "ecs.cn-shanghai.aliyuncs.com", "x-acs-action": "RunInstances", "x-acs-content-sha256": nothing,
		"x-acs-date": "2023-10-26T10:22:32Z", "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d", "x-acs-version": "2014-05-26",
	}, ""}
	const signed = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
	if got, want := v3.signV3(t, "YourAccessKeySecret", signed), "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"; got != want {
		t.Errorf("V3: got %s, want %s", got, want)
	}
	const v1 = "Timestamp=2016-02-23T12%3A46%3A24Z&Format=XML&AccessKeyId=testid&Action=DescribeRegions&SignatureMethod=HMAC-SHA1" +
		"&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&Version=2014-05-26&SignatureVersion=1.0"
	if got, want := signV1(t, "GET", "testsecret", v1), "OLeaidS1JvxuMvnyHOwuJ+uX5qY="; got != want {
		t.Errorf("RPC: got %s, want %s", got, want)
	}
}

// A vector worked out by hand: a SendBatchSms with all that spelling can get wrong.
func TestHandComputedSignature(t *testing.T) {
	c := captured{"POST", "/?OutId=a+b%2Bc~*&TemplateCode=SMS_1", map[string]string{
		"host": "dysmsapi.aliyuncs.com", "content-type": "application/x-www-form-urlencoded", "x-acs-action": "SendBatchSms",
	}, "PhoneNumberJson=%5B%2213800001111%22%5D"}
	const signed = "content-type;host;x-acs-action"
	const text = "POST\n/\nOutId=a%20b%2Bc~%2A&TemplateCode=SMS_1\ncontent-type:application/x-www-form-urlencoded\n" +
		"host:dysmsapi.aliyuncs.com\nx-acs-action:SendBatchSms\n\ncontent-type;host;x-acs-action\n" + handBody
	sum := sha256.Sum256([]byte(text))
	if got := hex.EncodeToString(sum[:]); got != handHashed {
		t.Errorf("hash of the canonical request: got %s, want %s", got, handHashed)
	}
	if got := c.signV3(t, "hand", signed); got != handSignature {
		t.Errorf("got %s, want %s", got, handSignature)
	}
}

// capture answers OK to every request on a bare listener and returns what came.
func capture(t *testing.T) (addr string, requests <-chan captured) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	list := make(chan captured, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if c, err := readRaw(bufio.NewReader(conn)); err == nil {
				list <- c
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(okBody), okBody)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), list
}

// readRaw reads a request, line by line.
func readRaw(r *bufio.Reader) (captured, error) {
	line := func() (string, error) {
		s, err := r.ReadString('\n')
		return strings.TrimRight(s, "\r\n"), err
	}
	first, err := line()
	if err != nil {
		return captured{}, err
	}
	c := captured{header: map[string]string{}}
	c.method, first, _ = strings.Cut(first, " ")
	c.target, _, _ = strings.Cut(first, " ")
	for {
		s, err := line()
		if err != nil {
			return c, err
		}
		if s == "" {
			break
		}
		name, value, _ := strings.Cut(s, ":")
		c.header[strings.ToLower(name)] = strings.TrimSpace(value)
	}
	var size int
	if _, err := fmt.Sscan(c.header["content-length"], &size); err != nil || size == 0 {
		return c, nil
	}
	body := make([]byte, size)
	_, err = io.ReadFull(r, body)
	c.body = string(body)
	return c, err
}

// What a node sends is signed as the documentation says: all that has to be is in the signature, and it
// is what this checker makes of the octets on the wire.
func TestSignatureOnTheWire(t *testing.T) {
	addr, requests := capture(t)
	call := testCall()
	call.OutID, call.Recipients[0].Params = "sb 1+2*~%7E/é", `{"code":"a b+c*~%é&=\"张"}`
	batch := batchOf(100)
	batch.OutID = call.OutID
	batch.Recipients[1].Params = call.Recipients[0].Params
	for _, token := range []string{"", "a-token+/="} {
		keys, err := Static(testKeyID, testSecret, token)
		if err != nil {
			t.Fatal(err)
		}
		r := plainRoute(t, "")
		r.Endpoint, r.Credentials = addr, keys
		client := newClient(t, nil, r)
		for _, c := range []bridge.Call{call, batch} {
			if a := client.Send(context.Background(), c); a.Kind != store.OutcomeAccepted {
				t.Fatalf("got %+v", a)
			}
			checkV3(t, <-requests, token)
		}
		_, _ = client.Find(context.Background(), "main", "x", testPhone, time.Now()) // the answer is another action's
		checkV3(t, <-requests, token)
	}
}

// checkV3 checks one request that was signed with the test's key.
func checkV3(t *testing.T, c captured, token string) {
	t.Helper()
	action := c.header["x-acs-action"]
	rest, found := strings.CutPrefix(c.header["authorization"], "ACS3-HMAC-SHA256 Credential="+testKeyID+",SignedHeaders=")
	signed, signature, ok := strings.Cut(rest, ",Signature=")
	if !found || !ok {
		t.Errorf("%s: the Authorization header is not one", action)
		return
	}
	names := strings.Split(signed, ";")
	if !slices.IsSorted(names) || !slices.Contains(names, "host") {
		t.Errorf("%s: signed are %s", action, signed)
	}
	for name := range c.header {
		if (strings.HasPrefix(name, "x-acs-") || name == "content-type") && !slices.Contains(names, name) {
			t.Errorf("%s: %s is not signed", action, name)
		}
	}
	if (c.body != "") != (action == "SendBatchSms") {
		t.Errorf("%s has a body of %d octets", action, len(c.body))
	}
	sum := sha256.Sum256([]byte(c.body))
	if c.header["x-acs-content-sha256"] != hex.EncodeToString(sum[:]) {
		t.Errorf("%s: x-acs-content-sha256 is not the body's", action)
	}
	if c.header["x-acs-security-token"] != token {
		t.Errorf("%s: the token is not sent", action)
	}
	at, err := time.Parse("2006-01-02T15:04:05Z", c.header["x-acs-date"])
	if err != nil || time.Since(at).Abs() > time.Minute || c.header["x-acs-signature-nonce"] == "" || c.header["x-acs-version"] != "2017-05-25" {
		t.Errorf("%s: date %v, version %s", action, at, c.header["x-acs-version"])
	}
	if c.signV3(t, testSecret, signed) != signature {
		t.Errorf("%s: the signature is another", action)
	}
	if c.signV3(t, testSecret+"x", signed) == signature {
		t.Errorf("%s: the key is not in the signature", action)
	}
}

// The old RPC style, for those who configure it.
func TestRPCSignatureOnTheWire(t *testing.T) {
	addr, requests := capture(t)
	r := plainRoute(t, "")
	r.Endpoint, r.RPCV1 = addr, true
	client := newClient(t, nil, r)
	for _, call := range []bridge.Call{testCall(), batchOf(3)} {
		if a := client.Send(context.Background(), call); a.Kind != store.OutcomeAccepted {
			t.Fatalf("got %+v", a)
		}
		c := <-requests
		_, query, _ := strings.Cut(c.target, "?")
		var params []string
		signature := ""
		for _, pair := range strings.Split(query+"&"+c.body, "&") {
			if value, is := strings.CutPrefix(pair, "Signature="); is {
				signature = plain(t, value)
			} else {
				params = append(params, pair)
			}
		}
		if want := signV1(t, c.method, testSecret, strings.Join(params, "&")); signature != want || signature == "" {
			t.Errorf("%d recipients: the signature is another", len(call.Recipients))
		}
	}
}

// The hand-computed vector: sha256sum and openssl's dgst -hmac were used, not this program.
const (
	handBody      = "7c6cc0896701eb1f5e6c2037d2378615b33ea5a4be6a29f785ee00a2c1cbeed6"
	handHashed    = "0f424eb309cb154aa603e4ccf8ab7cea27967e15001a57ec75ad9476207a77f7"
	handSignature = "927b77dca2f9ed18faa8ceebfeab5063bbdb0a338c3f5ae3ab2ca10169cce28c"
)
