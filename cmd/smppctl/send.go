package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// sendFlags are the flags of send.
type sendFlags struct {
	addr, systemID, passwordFile string
	from, to, text, ucs2         string
	wait                         time.Duration
}

// passwordEnv is where send finds the password unless a file is named.
const passwordEnv = "SMPP_PASSWORD"

func newSend() *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send --system-id ID --to PHONE --text TEXT",
		Short: "Send one message as an ESME and wait for its receipt",
		Long: `Send one message as an ESME and wait for its receipt: bind as a transceiver, submit the text, in parts
if it is long, print each submit_sm_resp and deliver_sm, unbind. The exit code is 0 only if every
part was delivered (DELIVRD); with --wait 0s no receipt is asked for and acceptance is enough.

A receipt goes to any bind of its account: on an account that is in use, receipts of other messages may
come here and are then gone for its ESME. Give this command an account of its own.

The password is taken from ` + passwordEnv + ` or from --password-file, never from an argument.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSend(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.addr, "addr", "127.0.0.1:2775", "the node's SMPP listener")
	flags.StringVar(&f.systemID, "system-id", "", "the account")
	flags.StringVar(&f.passwordFile, "password-file", "", "file that holds the password; default: the environment's "+passwordEnv)
	flags.StringVar(&f.from, "from", "", "source_addr")
	flags.StringVar(&f.to, "to", "", "destination_addr")
	flags.StringVar(&f.text, "text", "", "the text")
	flags.StringVar(&f.ucs2, "ucs2", "auto", "send UCS-2: auto (if GSM 7-bit has not all characters), always, never")
	flags.DurationVar(&f.wait, "wait", time.Minute, "how long to wait for answers and receipts; 0s: ask for no receipt")
	for _, name := range []string{"system-id", "to", "text"} {
		must(cmd.MarkFlagRequired(name))
	}
	return cmd
}

// runSend plays the whole dialogue.
func runSend(cmd *cobra.Command, f sendFlags) error {
	password, err := f.password()
	if err != nil {
		return err
	}
	message, err := newMessage(f)
	if err != nil {
		return err
	}
	ctx, cancel := cmd.Context(), context.CancelFunc(func() {})
	if f.wait > 0 {
		ctx, cancel = context.WithTimeout(ctx, f.wait)
	}
	defer cancel()
	out := cmd.OutOrStdout()
	e, err := bindESME(ctx, f.addr, f.systemID, password)
	if err != nil {
		return err
	}
	defer e.close()
	defer context.AfterFunc(ctx, e.close)() // nothing in go-smpp's Submit ends with ctx
	fmt.Fprintf(out, "bound to %s as %s\n", f.addr, f.systemID)
	ids, err := e.submit(out, message)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("wait for submit_sm_resp: %w", ctx.Err())
	case err != nil:
		return err
	}
	if f.wait == 0 {
		return nil
	}
	return e.await(ctx, out, ids)
}

// password returns the password, without the line break an editor leaves.
func (f sendFlags) password() (string, error) {
	if f.passwordFile == "" {
		if p, ok := os.LookupEnv(passwordEnv); ok {
			return p, nil
		}
		return "", errors.New("no password: set " + passwordEnv + " or --password-file")
	}
	file, err := os.Open(f.passwordFile)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	defer file.Close()
	return readPassword(file)
}

var errNotDelivered = errors.New("not delivered")

// await waits until each id has a final receipt, and returns errNotDelivered unless all say DELIVRD. Receipts
// of other messages may come too: the account's earlier ones, which waited for a bind.
func (e *esme) await(ctx context.Context, out io.Writer, ids []string) error {
	open := make(map[string]bool, len(ids))
	for _, id := range ids {
		open[id] = true
	}
	var bad []string
	for len(open) > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("no receipt for %d of %d message_ids: %w", len(open), len(ids), ctx.Err())
		case err := <-e.lost:
			if len(e.receipts) > 0 { // they came before it broke
				e.lost <- err
				continue
			}
			return fmt.Errorf("the connection is gone: no receipt for %d of %d message_ids: %w", len(open), len(ids), err)
		case r := <-e.receipts:
			note := ""
			if !open[r.id] {
				note = " (of another message)"
			}
			fmt.Fprintf(out, "deliver_sm      %s%s\n", r, note)
			if !open[r.id] || !r.final() {
				continue
			}
			delete(open, r.id)
			if r.stat != statDelivered {
				bad = append(bad, r.stat)
			}
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("%w: %s", errNotDelivered, strings.Join(bad, ", "))
	}
	return nil
}
