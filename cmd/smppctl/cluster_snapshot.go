package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func newClusterSnapshot() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "snapshot FILE",
		Short: "Write a backup of the state, while everything goes on",
		Long: `Write the whole state of the cluster, as the node at --http holds it, to FILE, which must not exist. Texts and numbers are in
it: it has mode 0600. A cluster that has lost everything begins anew with it: smppbridged recover --backup FILE.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return saveSnapshot(cmd, addr, args[0]) },
	}
	httpFlag(cmd, &addr)
	return cmd
}

// saveSnapshot writes the node's snapshot to a new file, which is there only if all of it is.
func saveSnapshot(cmd *cobra.Command, addr, name string) error {
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s exists: a backup does not overwrite another", name)
	}
	resp, err := listener(addr).request(cmd.Context(), http.MethodGet, "/v1/cluster/snapshot", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	size, err := writeNew(name, resp.Body)
	if err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	if stale := resp.Header.Get("Smppbridge-Stale"); stale != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "smppctl: warning: the node is not in touch with a majority, so what was committed last may be missing:", stale)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d octets, all up to entry %s of the log\n", name, size, resp.Header.Get("Smppbridge-Index"))
	return err
}

// writeNew writes all of r beside name and moves it there when it is on disk.
func writeNew(name string, r io.Reader) (size int64, err error) {
	temp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*") // mode 0600
	if err != nil {
		return 0, err
	}
	defer os.Remove(temp.Name()) // unless it was moved
	size, err = io.Copy(temp, r)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return 0, err
	}
	// Link, unlike Rename, does not overwrite what somebody else has made meanwhile.
	return size, os.Link(temp.Name(), name)
}
