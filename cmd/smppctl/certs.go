package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"smppbridge/configs"
	"smppbridge/configs/certs"
)

const (
	day      = 24 * time.Hour
	caLasts  = 3650 * day
	mostDays = 3650
)

const certsHelp = `Make a CA and certificates for the nodes of a cluster, for those without a CA of their own.

Each NODE is a node_id, with the names and addresses that others dial it by, if they are to be in
its certificate: n1=10.0.0.1,host1. Into DIR go ca.crt and ca.key, unless they are there, and for
each node NODE.crt and NODE.key. A node needs its own two files and ca.crt. ca.key signs new nodes:
whoever has it can join the cluster and read every text, so it stays off the nodes. Keep DIR
somewhere safe.

A node more:              smppctl cluster certs --dir DIR n4=10.0.0.4
Before a certificate ends: smppctl cluster certs --dir DIR --renew n1=10.0.0.1; copy the two files.

Nodes read their files again within seconds when they change, and at once on SIGHUP. Connections
that are open go on. A file in which a node's own certificate would be refused is not taken into
use; the node's log says so.

To replace the CA without a pause, in this order:

  1. smppctl cluster certs --dir NEW n1=... n2=... n3=...
  2. cat DIR/ca.crt NEW/ca.crt > both.crt; copy it to every node as its ca_file
  3. when every node has logged "certificates reloaded": copy each its .crt and .key from NEW
  4. when every node has logged that: copy NEW/ca.crt to every node as its ca_file

From then on a certificate of the old CA opens no connection. Those that it has opened end with the
process at one of their ends: after a key was stolen, restart the nodes one by one.`

// A certsTask is what smppctl cluster certs is asked for.
type certsTask struct {
	dir   string
	days  int
	renew bool
	nodes []nodeName
	now   time.Time
}

// A nodeName is a node and what else its certificate names.
type nodeName struct {
	id    string
	hosts []string
}

func newClusterCerts() *cobra.Command {
	task := certsTask{}
	cmd := &cobra.Command{
		Use:   "certs --dir DIR NODE[=HOST,...]...",
		Short: "Make a CA and certificates for the nodes of a cluster",
		Long:  certsHelp,
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if task.nodes, err = parseNodes(args); err != nil {
				return err
			}
			if task.days < 1 || task.days > mostDays {
				return fmt.Errorf("--days %d is out of range; allowed: 1 to %d", task.days, mostDays)
			}
			task.now = time.Now()
			return task.run(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&task.dir, "dir", "", "where CA, certificates and keys are, or will be")
	cmd.Flags().IntVar(&task.days, "days", 730, "how long the nodes' certificates are good")
	cmd.Flags().BoolVar(&task.renew, "renew", false, "replace certificates and keys of these nodes that are there")
	if err := cmd.MarkFlagRequired("dir"); err != nil {
		panic(err) // there is no such flag
	}
	return cmd
}

// parseNodes reads NODE=HOST,HOST arguments.
func parseNodes(args []string) ([]nodeName, error) {
	var nodes []nodeName
	seen := map[string]bool{"ca": true} // its files would be the CA's
	for _, arg := range args {
		id, hosts, named := strings.Cut(arg, "=")
		switch {
		case !configs.IsNodeID(id):
			return nil, fmt.Errorf("%q is not a node id; want NODE=HOST,..., such as n1=10.0.0.1,host1", id)
		case seen[strings.ToLower(id)]:
			return nil, fmt.Errorf("node %s: its files would have the names of others", id)
		}
		seen[strings.ToLower(id)] = true
		node := nodeName{id: id}
		if named {
			node.hosts = strings.Split(hosts, ",")
		}
		for _, host := range node.hosts {
			if !configs.IsHost(host) {
				return nil, fmt.Errorf("node %s: %q is neither an address nor a host name; ports are not part of it", id, host)
			}
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// run makes everything before it writes anything: a run that fails leaves the files as they were.
func (t *certsTask) run(out io.Writer) error {
	for _, n := range t.nodes {
		if err := t.free(n.id); err != nil {
			return err
		}
	}
	ca, files, err := t.authority()
	if err != nil {
		return err
	}
	for _, n := range t.nodes {
		pair, err := ca.Issue(n.id, n.hosts, t.now, time.Duration(t.days)*day)
		if err != nil {
			return err
		}
		files = append(files, t.files(n.id, pair)...)
	}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return err
	}
	for _, f := range files {
		if err := f.write(); err != nil {
			return err
		}
	}
	return t.tell(out, ca, files)
}

// free refuses to take a node's files from it, unless that is asked for.
func (t *certsTask) free(node string) error {
	for _, ext := range []string{".crt", ".key"} {
		name := filepath.Join(t.dir, node+ext)
		switch _, err := os.Lstat(name); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !t.renew:
			return fmt.Errorf("%s is there already; --renew replaces it, and nothing was written", name)
		}
	}
	return nil
}

// authority returns the CA in the folder, or a new one and its files.
func (t *certsTask) authority() (*certs.Authority, []outFile, error) {
	crt, key := filepath.Join(t.dir, "ca.crt"), filepath.Join(t.dir, "ca.key")
	certPEM, certErr := os.ReadFile(crt)
	keyPEM, keyErr := os.ReadFile(key)
	if errors.Is(certErr, fs.ErrNotExist) && errors.Is(keyErr, fs.ErrNotExist) {
		ca, err := certs.NewAuthority(t.now, caLasts)
		if err != nil {
			return nil, nil, err
		}
		pair, err := ca.Pair()
		return ca, t.files("ca", pair), err
	}
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, nil, fmt.Errorf("half of a CA is in %s: %w", t.dir, err)
	}
	ca, err := certs.ReadAuthority(certs.Pair{Cert: certPEM, Key: keyPEM})
	if err != nil {
		return nil, nil, fmt.Errorf("%s and %s: %w", crt, key, err)
	}
	if !ca.NotAfter().After(t.now) {
		return nil, nil, fmt.Errorf("%s has expired on %s: make a new CA in another folder, see --help", crt, ca.NotAfter().Format(time.DateOnly))
	}
	return ca, nil, nil
}

// An outFile is a file to be written.
type outFile struct {
	path string
	mode fs.FileMode
	pem  []byte
}

func (t *certsTask) files(name string, p certs.Pair) []outFile {
	return []outFile{
		{filepath.Join(t.dir, name+".key"), 0o600, p.Key},
		{filepath.Join(t.dir, name+".crt"), 0o644, p.Cert},
	}
}

// write replaces the file as a whole: a crash leaves the old one or the new one.
func (f outFile) write() (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(f.pem)
	if err = errors.Join(err, tmp.Chmod(f.mode), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), f.path)
}

// tell prints what was made, and what is to be done with it.
func (t *certsTask) tell(out io.Writer, ca *certs.Authority, files []outFile) error {
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "wrote %s\n", f.path)
	}
	ends := t.now.Add(time.Duration(t.days) * day)
	if ca.NotAfter().Before(ends) {
		ends = ca.NotAfter()
	}
	fmt.Fprintf(&b, "\nThe nodes' certificates are good until %s, their CA until %s.\n", ends.Format(time.DateOnly), ca.NotAfter().Format(time.DateOnly))
	fmt.Fprintf(&b, "%s stays off the nodes: whoever has it can join the cluster.\n", filepath.Join(t.dir, "ca.key"))
	for _, n := range t.nodes {
		fmt.Fprintf(&b, "\nCopy to %s, beside its configuration: ca.crt, %s.crt and %s.key, the key readable by the service alone:\n\n", n.id, n.id, n.id)
		fmt.Fprintf(&b, "  cluster:\n    tls: {cert_file: %s.crt, key_file: %s.key, ca_file: ca.crt}\n", n.id, n.id)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
