package configs

// A Node is the configuration of one node: what is local to it. It is read at start.
// example: smppbridged.yaml.
type Node struct {
	NodeID  string `yaml:"node_id"`  // unique in the cluster; default: the host name
	DataDir string `yaml:"data_dir"` // state file and Raft log

	SMPP     SMPP       `yaml:"smpp"`
	HTTP     HTTP       `yaml:"http"`
	Callback Callback   `yaml:"callback"`
	Cluster  Cluster    `yaml:"cluster"`
	Policy   NodePolicy `yaml:"policy"`
	Log      Log        `yaml:"log"`

	Credentials map[string]Credential `yaml:"credentials"` // where keys come from, by the name routes use
	Retention   Duration              `yaml:"retention"`   // how long final messages can be looked up; default 72h
	DrainTime   Duration              `yaml:"drain_time"`  // how long SIGTERM waits for sessions; default 20s
}

// SMPP is the message centre's side.
type SMPP struct {
	Listen          string   `yaml:"listen"`           // default 0.0.0.0:2775
	SystemID        string   `yaml:"system_id"`        // ours, in bind_resp; default smppbridge
	MaxSessions     int      `yaml:"max_sessions"`     // connections; default 10000
	MaxUnbound      int      `yaml:"max_unbound"`      // connections without a bind; default 1000
	BindTimeout     Duration `yaml:"bind_timeout"`     // default 10s
	EnquireLink     Duration `yaml:"enquire_link"`     // silence after which we ask; default 30s
	ResponseTimeout Duration `yaml:"response_timeout"` // for deliver_sm and enquire_link; default 10s
	WriteTimeout    Duration `yaml:"write_timeout"`    // a reader slower than this is cut; default 10s
}

// HTTP is the admin listener: metrics, health, /v1, pprof.
type HTTP struct {
	Listen string `yaml:"listen"` // default 127.0.0.1:9775
}

// Callback is the listener that Alibaba Cloud pushes reports to.
type Callback struct {
	Listen     string `yaml:"listen"`      // empty = none; default 127.0.0.1:9776
	Secret     string `yaml:"secret"`      // path element; at least 16 characters
	SecretFile string `yaml:"secret_file"` // file that holds the secret instead
}

// Cluster is Raft's side.
type Cluster struct {
	Listen    string `yaml:"listen"`     // default 127.0.0.1:7775
	ClusterID string `yaml:"cluster_id"` // part of every OutId; 1 to 8 of a-z 0-9; fixed when the data is new; default sb
	Bootstrap bool   `yaml:"bootstrap"`  // make a new one-node system when there is no data; default true
}

// NodePolicy names the policy file.
type NodePolicy struct {
	File   string `yaml:"file"`   // seeds an empty system
	Follow bool   `yaml:"follow"` // a one-node system: apply the file's changes at start and on SIGHUP
}

// Log says how to log.
type Log struct {
	Level  string `yaml:"level"`  // debug, info (default), warn, error
	Format string `yaml:"format"` // json (default), text
}

// A Credential says where an AccessKey comes from. Keys are never written in configuration.
type Credential struct {
	Source string `yaml:"source"` // env, file, chain (default: environment, profile, instance role)
	File   string `yaml:"file"`   // for file: two lines or YAML access_key_id/access_key_secret; mode 0600 or systemd's $CREDENTIALS_DIRECTORY
}
