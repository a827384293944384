package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"smppbridge/cluster"
	"smppbridge/configs"
	"smppbridge/store"
)

// Names in the data directory.
const (
	stateName      = "state.db"
	raftName       = "raft"
	recoveringName = "recovering" // a backup on its way to its place
	replacedName   = "replaced-"  // what it has taken the place of
)

func newRecover() *cobra.Command {
	r := &recoverer{}
	var file string
	cmd := &cobra.Command{
		Use:   "recover --config FILE [--backup FILE]",
		Short: "Begin anew with one node's data, or with a backup, after a majority is lost for good",
		Long: `Make of this node's data, or of a backup that smppctl cluster snapshot wrote, a cluster of this node alone, in a new epoch.
Only for when a majority of the nodes is lost for good: none of the others may ever run again with the data it has. They are
emptied and joined to this one. Of several nodes that are left, take the one that has most ("index" of what recover prints), and
recover no other: two that are recovered are two clusters, which refuse each other.

Messages that the lost nodes may have sent are looked up before they are sent again. What was accepted and is on no disk that
is left is lost.

Without --yes nothing is changed. It exits with 0 when the node can be started, 65 when the data are not fit for it, 78 when
nothing was to be done or changed.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := configs.LoadStoppedNode(file)
			if err != nil {
				return usageError{err}
			}
			r.out, r.cfg = cmd.OutOrStdout(), cfg
			r.log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			return recoverError(r.recover())
		},
	}
	cmd.Flags().StringVar(&file, "config", "/etc/smppbridge/smppbridged.yaml", "node configuration")
	cmd.Flags().StringVar(&r.backup, "backup", "", "begin with this file instead of the node's data")
	cmd.Flags().BoolVar(&r.replace, "replace", false, "with --backup: move data that are there aside")
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do it")
	return cmd
}

// errBadData is wrapped when the data are not fit for what is to be done with them.
var errBadData = errors.New("the data cannot be used")

// recoverError chooses the exit code.
func recoverError(err error) error {
	if errors.Is(err, cluster.ErrNothingToRecover) {
		return usageError{err}
	}
	return err
}

// A recoverer carries out one recover.
type recoverer struct {
	cfg     *configs.Node
	backup  string
	replace bool
	yes     bool
	out     io.Writer
	log     *slog.Logger
}

func (r *recoverer) path(names ...string) string {
	return filepath.Join(append([]string{r.cfg.DataDir}, names...)...)
}

func (r *recoverer) recover() error {
	if r.backup == "" {
		if r.replace {
			return usageError{errors.New("--replace is for --backup")}
		}
		return r.recoverData()
	}
	return r.recoverBackup()
}

// recoverData begins anew with the node's own data.
func (r *recoverer) recoverData() error {
	if err := cutShort(r.cfg.DataDir); err != nil {
		return err
	}
	if !exists(r.path(stateName)) {
		return usageError{fmt.Errorf("%w: there is no %s; with --backup it begins with a backup", cluster.ErrNothingToRecover, r.path(stateName))}
	}
	st, err := store.Open(r.path(stateName), store.Options{Log: r.log})
	if err != nil {
		return err
	}
	err = r.begin(st, r.path(raftName))
	return errors.Join(err, st.Close())
}

// begin says what is there and, if that is wanted, begins the new epoch.
func (r *recoverer) begin(st *store.Store, dir string) error {
	cfg := cluster.Config{
		NodeID:   r.cfg.NodeID,
		Dir:      dir,
		Addr:     cmp.Or(r.cfg.Cluster.Advertise, r.cfg.Cluster.Listen),
		Insecure: true, // nothing goes over the network
		Log:      r.log,
	}
	plan, err := cluster.PlanRecovery(cfg, st)
	if err != nil {
		return err
	}
	r.print(&plan)
	if !r.yes {
		return usageError{errors.New("nothing was changed; with --yes it is done")}
	}
	done, err := cluster.Recover(cfg, st)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.out, "recovered: epoch %d begins with entry %d, lineage %s; %d messages will be looked up before they are sent\n",
		done.Epoch, done.Index, done.Lineage, done.Uncertain)
	return nil
}

// print tells the operator what there is and what will be.
func (r *recoverer) print(p *cluster.RecoverReport) {
	fmt.Fprintf(r.out, "data        %s, of node %s\n", cmp.Or(r.backup, r.cfg.DataDir), r.cfg.NodeID)
	fmt.Fprintf(r.out, "cluster     %s, epoch %d, of %s\n", cmp.Or(p.ClusterID, "without a name"), p.Epoch-1, strings.Join(p.Members, " "))
	fmt.Fprintf(r.out, "index       %d, of %s\n", p.Index-1, store.FromMillis(p.Clock).UTC().Format(time.RFC3339))
	if !p.Backup {
		fmt.Fprintf(r.out, "            %d of the file, %d of the log\n", p.Applied, p.Replayed)
	}
	fmt.Fprintf(r.out, "will be     epoch %d, of %s alone; numbers leap by %d\n", p.Epoch, r.cfg.NodeID, p.Leap)
	fmt.Fprintln(r.out, "the others  must never run again with the data they have: empty them, start them with bootstrap: false, and join them")
}

// recoverBackup begins anew with a backup. All is prepared in the folder recovering; what counts is the last
// rename, of the state file. A crash before it leaves that folder, without which a node with nothing else
// would begin a cluster of its own; so it does not start, and this is to be repeated.
func (r *recoverer) recoverBackup() error {
	if err := r.checkRoom(); err != nil {
		return err
	}
	folder := r.path(recoveringName)
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := r.prepare(folder); err != nil {
		return errors.Join(err, os.RemoveAll(folder))
	}
	if err := r.moveAside(); err != nil {
		return err
	}
	for _, name := range []string{raftName, stateName} {
		if err := errors.Join(os.Rename(filepath.Join(folder, name), r.path(name)), store.SyncDir(r.cfg.DataDir)); err != nil {
			return err
		}
	}
	return os.RemoveAll(folder)
}

// checkRoom makes sure that no data are written over, unless they are to be moved aside, and that no node runs on
// them.
func (r *recoverer) checkRoom() error {
	if err := os.MkdirAll(r.cfg.DataDir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{r.path(stateName), r.path(raftName, "lock")} {
		if err := checkUnused(name); err != nil {
			return err
		}
	}
	if cutShort(r.cfg.DataDir) != nil {
		return os.RemoveAll(r.path(raftName)) // what that recovery has made
	}
	if data := exists(r.path(stateName)) || exists(r.path(raftName)); data && !r.replace {
		return usageError{fmt.Errorf("%s has data: without --backup it begins with them; with --replace they are moved aside", r.cfg.DataDir)}
	}
	return nil
}

// cutShort says that a recovery from a backup has not come to its end in dir.
func cutShort(dir string) error {
	if exists(filepath.Join(dir, recoveringName)) && !exists(filepath.Join(dir, stateName)) {
		return fmt.Errorf("%w: a recovery from a backup was cut short in %s, repeat it: smppbridged recover --backup", errBadData, dir)
	}
	return nil
}

// checkUnused looks whether a process has locked a file. What another does a moment later is its own fault.
func checkUnused(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return usageError{fmt.Errorf("%s is in use: stop the node first: %w", name, err)}
	}
	return nil
}

// moveAside moves the data that are there, the log first: a state file without its log does not start.
func (r *recoverer) moveAside() error {
	if !exists(r.path(stateName)) && !exists(r.path(raftName)) {
		return nil
	}
	aside := r.path(replacedName + time.Now().UTC().Format("20060102T150405Z"))
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return err
	}
	for _, name := range []string{raftName, stateName} {
		if err := os.Rename(r.path(name), filepath.Join(aside, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	fmt.Fprintln(r.out, "moved aside ", aside, "(texts and numbers are in it: remove it when it is not needed any more)")
	return store.SyncDir(r.cfg.DataDir)
}

// prepare makes state file and log of the new epoch in folder. The backup is copied, and looked at page by page.
func (r *recoverer) prepare(folder string) error {
	part := filepath.Join(folder, "backup")
	if err := copyFile(part, r.backup); err != nil {
		return fmt.Errorf("copy the backup: %w", err)
	}
	st, err := store.Open(filepath.Join(folder, stateName), store.Options{Log: r.log})
	if err != nil {
		return err
	}
	err = st.RestoreFile(part)
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", errBadData, r.backup, err)
	} else {
		err = r.begin(st, filepath.Join(folder, raftName))
	}
	return errors.Join(err, st.Close(), store.SyncDir(folder))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// copyFile copies a file for this user's eyes only. It is synced by who uses it.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
