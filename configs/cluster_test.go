package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestClustersThatMayBe: what the bad files do not show, with the warnings that it gets.
func TestClustersThatMayBe(t *testing.T) {
	const files = "tls: {cert_file: a, key_file: b, ca_file: c}"
	for _, tt := range []struct{ name, cluster, warning string }{
		{"loopback", `listen: "[::1]:7775"`, ""},
		{"another loopback address is advertised", `listen: "127.0.0.1:0", advertise: "localhost:7775"`, ""},
		{"insecure on loopback has no effect", `insecure: true`, ""},
		{"insecure", `listen: "10.0.0.1:7775", insecure: true`, "whoever reaches 10.0.0.1:7775 can read and write"},
		{"insecure, advertised", `advertise: "n1.example:7775", insecure: true`, "cluster.insecure: "},
		{"TLS on loopback", files, ""},
		{"TLS on all addresses", `listen: ":7775", advertise: "n1.example:7775", ` + files, ""},
		{"TLS on one address", `listen: "10.0.0.1:7775", ` + files, ""},
		{"TLS with names", `tls: {cert_file: a, key_file: b, ca_file: c, names: [n1, "Node Two"]}`, ""},
		{"a node that waits to be joined", `bootstrap: false`, ""},
		{"the same port on another address", `listen: "10.0.0.1:9775", ` + files, ""},
		{"the same port on another family", `listen: "[::1]:2775", ` + files, ""},
	} {
		n, err := ParseNode("n", []byte("cluster: {"+tt.cluster+"}\n"))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		switch w := n.Warnings(); {
		case tt.warning == "" && len(w) > 0:
			t.Errorf("%s: got the warnings %q, want none", tt.name, w)
		case tt.warning != "" && (len(w) != 1 || !strings.Contains(w[0], tt.warning)):
			t.Errorf("%s: got the warnings %q, want one with %q", tt.name, w, tt.warning)
		}
	}
}

// TestClusterFilesAreResolved, like the other files.
func TestClusterFilesAreResolved(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "n.yaml")
	doc := "cluster: {tls: {cert_file: tls/n1.crt, key_file: $CREDENTIALS_DIRECTORY/n1.key, ca_file: /etc/ca.crt}}\n"
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
	n, err := LoadNode(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ got, want string }{
		{n.Cluster.TLS.CertFile, filepath.Join(dir, "tls/n1.crt")},
		{n.Cluster.TLS.KeyFile, "/run/credentials/x/n1.key"},
		{n.Cluster.TLS.CAFile, "/etc/ca.crt"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}
