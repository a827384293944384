//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Ports and names that all nodes share: each is in a namespace of its own.
const (
	smppPort       = "2775"
	callbackPort   = "9776"
	clusterPort    = "7775"
	adminAddr      = "127.0.0.1:9775"
	callbackSecret = "0123456789abcdef"
	certsDir       = "certs" // beside the clusters
)

// A node is a daemon in its own network namespace, with a disk of its own.
type node struct {
	index    int // from 0
	id       string
	ip       net.IP
	ns       *namespace
	disk     *disk
	proc     *process
	admin    *http.Client
	ctl      string // path of smppctl
	smppAddr string
	home     string // its configuration and disk
	founds   bool   // begins a cluster when it has no data
}

// programs are the paths of what is tested.
type programs struct{ daemon, ctl string }

// newNode makes a node, which does not run yet.
func newNode(ctx context.Context, bin programs, dir string, index int, ns *namespace) (*node, error) {
	n := &node{index: index, id: fmt.Sprintf("n%d", index+1), ip: nodeIP(index), ns: ns, ctl: bin.ctl}
	n.smppAddr = net.JoinHostPort(n.ip.String(), smppPort)
	n.home, n.founds = filepath.Join(dir, n.id), index == 0
	if err := os.MkdirAll(n.home, 0o700); err != nil {
		return nil, err
	}
	var err error
	if n.disk, err = newDisk(ctx, filepath.Join(n.home, "disk.img"), filepath.Join(n.home, "disk")); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, n.id+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	n.proc = &process{name: n.id, log: log, launch: ns.start, args: []string{bin.daemon, "run", "--config", n.configFile()}}
	n.admin = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: ns.dial, DisableKeepAlives: true,
	}}
	return n, errors.Join(n.configure(), os.WriteFile(filepath.Join(n.home, "key"), []byte("sim-key\nsim-secret\n"), 0o600),
		os.WriteFile(filepath.Join(n.home, "second"), []byte("second-key\nsecond-secret\n"), 0o600))
}

func (n *node) configFile() string { return filepath.Join(n.home, "node.yaml") }

// configure writes the node's configuration.
func (n *node) configure() error { return os.WriteFile(n.configFile(), []byte(n.config()), 0o600) }

// config is the node's configuration. Timers are short, so that a round is.
func (n *node) config() string {
	cluster := filepath.Dir(n.home)
	policy := ""
	if n.founds {
		policy = filepath.Join(cluster, "policy.yaml")
	}
	certs := filepath.Join(filepath.Dir(cluster), certsDir)
	at := func(port string) string { return net.JoinHostPort(n.ip.String(), port) }
	return fmt.Sprintf(`node_id: %s
data_dir: %s
smpp: {listen: "%s", enquire_link: 2s, response_timeout: 2s, write_timeout: 2s, bind_timeout: 5s}
http: {listen: "%s"}
callback: {listen: "%s", secret: "%s"}
cluster: {listen: "%s", cluster_id: ct, bootstrap: %t, tls: {cert_file: "%[9]s.crt", key_file: "%[9]s.key", ca_file: "%[10]s"}}
policy: {file: "%s"}
credentials: {default: {source: file, file: "%[12]s"}, second: {source: file, file: "%[13]s"}}
drain_time: 5s
log: {level: info, format: text}
`, n.id, filepath.Join(n.disk.dir, "data"), at(smppPort), adminAddr, at(callbackPort), callbackSecret,
		at(clusterPort), n.founds, filepath.Join(certs, n.id), filepath.Join(certs, "ca.crt"), policy, filepath.Join(n.home, "key"), filepath.Join(n.home, "second"))
}

// status is what GET /v1/cluster says.
type status struct {
	Node    string   `json:"node"`
	Leader  string   `json:"leader"`
	Version int      `json:"version"`
	Members []member `json:"members"`
}

type member struct {
	Node  string `json:"node"`
	Voter bool   `json:"voter"`
}

// get asks the node's admin listener.
func (n *node) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+adminAddr+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := n.admin.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.id, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.id, err)
	}
	if resp.StatusCode != http.StatusOK {
		return b, fmt.Errorf("%s: GET %s: %s: %s", n.id, path, resp.Status, bytes.TrimSpace(b))
	}
	return b, nil
}

// clusterStatus asks the node what it knows of the cluster.
func (n *node) clusterStatus(ctx context.Context) (s status, err error) {
	b, err := n.get(ctx, "/v1/cluster")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}

// ready is nil when the node would accept a message.
func (n *node) ready(ctx context.Context) error {
	_, err := n.get(ctx, "/readyz")
	return err
}

// smppctl runs the operator's tool at the node.
func (n *node) smppctl(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, n.ctl, append(args, "--http", adminAddr)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := n.ns.start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: smppctl %v: %w: %s", n.id, args, err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// wipe empties the disk of a node that does not run. It will wait to be joined.
func (n *node) wipe() error {
	n.founds = false
	return errors.Join(n.configure(), os.RemoveAll(filepath.Join(n.disk.dir, "data")))
}

// recover makes of the data of a node that does not run a cluster of that node alone.
func (n *node) recover(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, n.proc.args[0], "recover", "--config", n.configFile(), "--yes").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: recover: %w: %s", n.id, err, bytes.TrimSpace(out))
	}
	return nil
}

// close ends the node for good.
func (n *node) close(ctx context.Context) {
	n.proc.close()
	_ = n.disk.unmount(ctx) // the sandbox's end unmounts it in any case
}
