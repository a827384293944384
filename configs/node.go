package configs

import (
	"net/netip"
	"time"
)

// A Node is the configuration of one node: what is local to it. It is read at start.
// example: smppbridged.yaml.
type Node struct {
	NodeID  string `yaml:"node_id"`  // unique in the cluster: letters, digits, ".", "_", "-"; default: the host name
	DataDir string `yaml:"data_dir"` // state file and Raft log; absolute; default /var/lib/smppbridge

	SMPP     SMPP       `yaml:"smpp"`
	HTTP     HTTP       `yaml:"http"`
	Callback Callback   `yaml:"callback"`
	Cluster  Cluster    `yaml:"cluster"`
	Policy   NodePolicy `yaml:"policy"`
	Log      Log        `yaml:"log"`

	Credentials map[string]Credential `yaml:"credentials"` // where keys come from, by the name routes use
	Retention   Duration              `yaml:"retention"`   // how long final messages can be looked up; default 72h
	DrainTime   Duration              `yaml:"drain_time"`  // how long SIGTERM waits for sessions: longer than any ack_within; default 20s
}

// SMPP is the message centre's side.
type SMPP struct {
	Listen               string   `yaml:"listen"`                  // empty = none, where tls has one; default 0.0.0.0:2775
	TLS                  SMPPTLS  `yaml:"tls"`                     // a second listener, with TLS
	Proxy                Proxy    `yaml:"proxy"`                   // load balancers in front of both
	SystemID             string   `yaml:"system_id"`               // ours, in bind_resp; default smppbridge
	MaxSessions          int      `yaml:"max_sessions"`            // connections; default 10000
	MaxUnbound           int      `yaml:"max_unbound"`             // connections without a bind; default 1000
	MaxUnboundPerAddress int      `yaml:"max_unbound_per_address"` // of them, from one IPv4 address or IPv6 /64; default 100
	MaxBuffered          int      `yaml:"max_buffered"`            // MiB that all connections may leave unread or unfinished; beyond it those that hold most are cut; default 256
	BindTimeout          Duration `yaml:"bind_timeout"`            // from connect to bind, TLS handshake included; default 10s
	EnquireLink          Duration `yaml:"enquire_link"`            // silence after which we ask; default 30s
	ResponseTimeout      Duration `yaml:"response_timeout"`        // for deliver_sm and enquire_link; default 10s
	WriteTimeout         Duration `yaml:"write_timeout"`           // a reader slower than this is cut; default 10s
}

// SMPPTLS is the listener for SMPP over TLS.
type SMPPTLS struct {
	Listen string `yaml:"listen"` // empty = none; the usual port is 3550
	// PEM, the chain; relative to this file, or $CREDENTIALS_DIRECTORY/name; all three files are read again when they
	// change, and on SIGHUP
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`  // PEM, not readable by others
	ClientCA string `yaml:"client_ca"` // PEM: who signs client certificates; empty = none are asked for
	Clients  string `yaml:"clients"`   // with client_ca: optional (default), required
	Minimum  string `yaml:"minimum"`   // version: 1.2 (default), 1.3
}

// Proxy names the load balancers that send the PROXY protocol, v1 or v2.
type Proxy struct {
	From     []string `yaml:"from"`     // addresses and networks (CIDR); a header from elsewhere is an error; empty = none
	Required bool     `yaml:"required"` // connections from them without a header are closed; default false
}

// Networks returns From, which is valid, as networks.
func (p Proxy) Networks() []netip.Prefix {
	var networks []netip.Prefix
	for _, from := range p.From {
		if n, err := ParseNetwork(from); err == nil {
			networks = append(networks, n)
		}
	}
	return networks
}

// HTTP is the admin listener: metrics, health, /v1, pprof.
type HTTP struct {
	Listen string `yaml:"listen"` // no password guards it: keep it on loopback; default 127.0.0.1:9775
}

// Callback is the listener that Alibaba Cloud pushes reports to.
type Callback struct {
	Listen string `yaml:"listen"` // empty = none; plain HTTP, for a TLS proxy in front of it; default 127.0.0.1:9776
	Secret string `yaml:"secret"` // path element: 16 to 128 letters, digits, "-", "_"; empty = from secret_file
	// a file of mode 0600 with the secret in it instead; relative to this file, or $CREDENTIALS_DIRECTORY/name under systemd;
	// default callback_secret
	SecretFile string `yaml:"secret_file"`
	// addresses and networks (CIDR) that may push; behind a proxy its own; empty = any
	From []string `yaml:"from"`
}

// Cluster is Raft's side.
type Cluster struct {
	Listen    string     `yaml:"listen"`     // carries texts and numbers: loopback, or with tls, or insecure; default 127.0.0.1:7775
	Advertise string     `yaml:"advertise"`  // host:port that the other nodes dial; empty = listen
	ClusterID string     `yaml:"cluster_id"` // part of every OutId; 1 to 8 of a-z 0-9; counts when a system is new; empty = a random one
	Bootstrap bool       `yaml:"bootstrap"`  // begin a new system when there is no data; false: wait to be joined to one; default true
	TLS       ClusterTLS `yaml:"tls"`        // mutual, between nodes; empty = plain
	Insecure  bool       `yaml:"insecure"`   // plain on an address that is not loopback: whoever reaches it can read and write the state; default false
}

// ClusterTLS are the files of TLS between nodes: PEM, relative to this file, or $CREDENTIALS_DIRECTORY/name; read
// again when they change, and on SIGHUP. `smppctl cluster certs` makes them.
type ClusterTLS struct {
	CertFile string   `yaml:"cert_file"` // the node's chain, for both directions
	KeyFile  string   `yaml:"key_file"`  // not readable by others
	CAFile   string   `yaml:"ca_file"`   // who signs the nodes' certificates, and nobody else's, unless names are given
	Names    []string `yaml:"names"`     // that a node's certificate must have one of (DNS name or CN); empty = any that the CA signed
}

// NodePolicy names the policy file.
type NodePolicy struct {
	File   string `yaml:"file"`   // seeds an empty system; relative to this file; empty = none; default policy.yaml
	Follow bool   `yaml:"follow"` // a one-node system: apply the file's changes at start and on SIGHUP; default false
}

// Log says how to log.
type Log struct {
	Level  string `yaml:"level"`  // debug, info (default), warn, error
	Format string `yaml:"format"` // json (default), text
}

// A Credential says where an AccessKey comes from. Keys are never written in configuration. Those of a role are
// fetched anew before they end; files are read again when they change.
type Credential struct {
	// env (ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET, ALIBABA_CLOUD_SECURITY_TOKEN), file, profile,
	// instance (the RAM role of this ECS instance), oidc (an identity provider's token, as in ACK), assume_role (a role,
	// with the keys of base), chain (default: the first there is of env, oidc, profile, instance), smpp (system_id and
	// password, for routes of kind smpp)
	Source string `yaml:"source"`
	// for source file: two lines or YAML access_key_id/access_key_secret, mode 0600; for smpp: the same of
	// system_id/password; for profile: an INI file, by default
	// ~/.alibabacloud/credentials; for oidc: the token's, by default that of ALIBABA_CLOUD_OIDC_TOKEN_FILE; relative to
	// this file, or $CREDENTIALS_DIRECTORY/name under systemd
	File         string   `yaml:"file"`
	Profile      string   `yaml:"profile"`           // for profile: the section; empty = default
	RoleName     string   `yaml:"role_name"`         // for instance: empty = the one it has
	RoleARN      string   `yaml:"role_arn"`          // for assume_role and oidc, acs:ram::ACCOUNT:role/NAME; for oidc empty = that of ALIBABA_CLOUD_ROLE_ARN
	ProviderARN  string   `yaml:"oidc_provider_arn"` // for oidc, acs:ram::ACCOUNT:oidc-provider/NAME; empty = that of ALIBABA_CLOUD_OIDC_PROVIDER_ARN
	Base         string   `yaml:"base"`              // for assume_role: the name of another entry, whose keys may assume the role
	ExternalID   string   `yaml:"external_id"`       // for assume_role: where the role's trust policy asks for one
	SessionName  string   `yaml:"session_name"`      // for assume_role and oidc: who ActionTrail says it was; empty = smppbridge
	RoleDuration Duration `yaml:"role_duration"`     // for assume_role and oidc: how long keys live, 15m to 12h and what the role allows; 0s = 1h
	// for assume_role and oidc: host[:port], such as sts-vpc.cn-hangzhou.aliyuncs.com within a VPC; empty = sts.aliyuncs.com
	STSEndpoint string `yaml:"sts_endpoint"`
	CAFile      string `yaml:"ca_file"` // for smpp: PEM, who signs the certificates of its routes' other sides; empty = the system's
}

// DefaultCallbackSecretFile is where the callback's secret is when the configuration names neither it nor a file.
const DefaultCallbackSecretFile = "callback_secret"

// DefaultNode returns the configuration that an empty document would mean, before [LoadNode] fills in what
// depends on the machine.
func DefaultNode() Node {
	n := Node{
		DataDir: "/var/lib/smppbridge",
		SMPP: SMPP{
			Listen:               "0.0.0.0:2775",
			SystemID:             "smppbridge",
			MaxSessions:          10000,
			TLS:                  SMPPTLS{Clients: "optional", Minimum: "1.2"},
			MaxUnbound:           1000,
			MaxUnboundPerAddress: 100,
			MaxBuffered:          256,
			BindTimeout:          Duration(10 * time.Second),
			EnquireLink:          Duration(30 * time.Second),
			ResponseTimeout:      Duration(10 * time.Second),
			WriteTimeout:         Duration(10 * time.Second),
		},
		HTTP:      HTTP{Listen: "127.0.0.1:9775"},
		Callback:  Callback{Listen: "127.0.0.1:9776"},
		Cluster:   Cluster{Listen: "127.0.0.1:7775", Bootstrap: true},
		Policy:    NodePolicy{File: "policy.yaml"},
		Log:       Log{Level: "info", Format: "json"},
		Retention: Duration(72 * time.Hour),
		DrainTime: Duration(20 * time.Second),
	}
	n.Credentials = map[string]Credential{DefaultCredential: defaultCredential()}
	n.complete()
	return n
}

// DefaultCredential is the name of the credential that routes use unless they name another.
const DefaultCredential = "default"

func defaultCredential() Credential {
	var c Credential
	c.setDefaults()
	return c
}

func (c *Credential) setDefaults() {
	if c.Source == "" {
		c.Source = "chain"
	}
}

// complete fills in defaults that depend on other values.
func (n *Node) complete() {
	if n.Callback.Listen != "" && n.Callback.Secret == "" && n.Callback.SecretFile == "" {
		n.Callback.SecretFile = DefaultCallbackSecretFile
	}
}

func (c *Credential) hint(key string) string {
	switch key {
	case "access_key_id", "access_key_secret", "access_key", "secret":
		return "keys are not written in configuration; use source: file with file, or another source"
	}
	return ""
}
