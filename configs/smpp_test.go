package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSMPPListeners(t *testing.T) {
	const files = ", cert_file: c, key_file: k}"
	for _, tt := range []struct{ name, smpp, fault string }{
		{"TLS beside plain", `tls: {listen: "0.0.0.0:3550"` + files, ""},
		{"TLS alone", `listen: "", tls: {listen: "0.0.0.0:3550"` + files, ""},
		{"TLS 1.3, clients with certificates", `tls: {listen: ":3550", minimum: 1.3, clients: required, client_ca: a` + files, ""},
		{"files of a listener that is switched off", `tls: {listen: ""` + files, ""},
		{"on ports of the kernel's choice", `listen: "127.0.0.1:0", tls: {listen: "127.0.0.1:0"` + files, ""},
		{"none at all", `listen: ""`, "smpp.listen"},
	} {
		_, err := ParseNode("n", []byte("smpp: {"+tt.smpp+"}\n"))
		if got := fmt.Sprint(err); (err == nil) != (tt.fault == "") || !strings.Contains(got, tt.fault) && err != nil {
			t.Errorf("%s: got %v, want a fault of %q", tt.name, err, tt.fault)
		}
	}
}

func TestTLSFilesAreResolved(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "n.yaml")
	doc := "smpp:\n  tls: {listen: ':3550', cert_file: cert.pem, key_file: $CREDENTIALS_DIRECTORY/key, client_ca: /etc/ca.pem}\n"
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
	n, err := LoadNode(file)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{n.SMPP.TLS.CertFile, n.SMPP.TLS.KeyFile, n.SMPP.TLS.ClientCA}
	if want := []string{filepath.Join(dir, "cert.pem"), "/run/credentials/x/key", "/etc/ca.pem"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProxyNetworks(t *testing.T) {
	n, err := ParseNode("n", []byte("smpp: {proxy: {from: [192.0.2.7, 10.0.0.0/8, '2001:db8::/32', '::/0'], required: true}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(n.SMPP.Proxy.Networks()), "[192.0.2.7/32 10.0.0.0/8 2001:db8::/32 ::/0]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if w := n.Warnings(); len(w) != 1 || !strings.HasPrefix(w[0], "smpp.proxy.from: ::/0") {
		t.Errorf("warnings: got %q, want one about ::/0", w)
	}
}
