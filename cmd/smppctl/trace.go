package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// traceFlags are the flags of trace.
type traceFlags struct {
	addr, systemID, number, output string
	takes                          time.Duration
	unmasked                       bool
}

func newTrace() *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:   "trace --system-id ID | --number NUMBER",
		Short: "Record the PDUs of one account or number in a file for Wireshark",
		Long: `Record the PDUs of one account, of one number, or, with both, of the account's that name the number: start a
trace, wait for its end, download its file. Ctrl-C ends it early; the file has what was seen until then.

Texts, numbers and passwords are overwritten in it. With --unmasked texts and numbers are not, and the node
logs a warning that somebody asked for that: keep such a file to yourself. Passwords are in neither.

Wireshark finds SMPP by itself. Where it takes an ESME's port for another protocol's, say
tshark -d tcp.port==2775,smpp -r FILE. What PDUs are traced is in the node's log, too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTrace(cmd, f) },
	}
	flags := cmd.Flags()
	httpFlag(cmd, &f.addr)
	flags.StringVar(&f.systemID, "system-id", "", "the account")
	flags.StringVar(&f.number, "number", "", "a source or destination address, in any spelling")
	flags.DurationVar(&f.takes, "for", time.Minute, "how long, at most 10m")
	flags.BoolVar(&f.unmasked, "unmasked", false, "write texts and whole numbers")
	flags.StringVarP(&f.output, "output", "o", "", "the file; default: the node's name for it")
	cmd.MarkFlagsOneRequired("system-id", "number")
	return cmd
}

// traceStatus is what a node says of a trace.
type traceStatus struct {
	Running bool   `json:"running"`
	File    string `json:"file"`
	Reason  string `json:"reason"`
	PDUs    uint64 `json:"pdus"`
	Dropped uint64 `json:"dropped"`
}

// lookEvery is how often the node is asked whether the trace has ended.
const lookEvery = 250 * time.Millisecond

// runTrace starts a trace, waits for its end, and downloads it.
func runTrace(cmd *cobra.Command, f traceFlags) error {
	if f.takes < time.Second || f.takes%time.Second != 0 {
		return errors.New("--for: give whole seconds, at least one")
	}
	body := map[string]any{
		"system_id": f.systemID, "number": f.number, "seconds": int(f.takes.Seconds()), "unmasked": f.unmasked,
	}
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	var s traceStatus
	if err := listener(f.addr).ask(ctx, http.MethodPost, "/v1/trace", body, &s); err != nil {
		return err
	}
	fmt.Fprintf(out, "tracing for %s; Ctrl-C ends it\n", f.takes)
	file := s.File
	if err := f.await(ctx, &s, file); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d PDUs\n", s.Reason, s.PDUs)
	if s.Dropped > 0 {
		fmt.Fprintf(out, "%d more were dropped: they came faster than they could be written\n", s.Dropped)
	}
	// Also after Ctrl-C.
	name, err := f.download(context.WithoutCancel(ctx), file)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, name)
	return nil
}

// await waits for the end of the trace, and makes it come when ctx ends.
func (f traceFlags) await(ctx context.Context, s *traceStatus, file string) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for s.Running {
		select {
		case <-ctx.Done():
			return f.stop(context.WithoutCancel(ctx), s, file)
		case <-tick.C:
		}
		last := *s
		err := listener(f.addr).ask(ctx, http.MethodGet, "/v1/trace", nil, s)
		if ctx.Err() != nil {
			return f.stop(context.WithoutCancel(ctx), s, file)
		}
		if err != nil {
			return err
		}
		if s.File != file { // ours has ended, and somebody was quick to start another
			*s = last
			s.Running, s.Reason = false, "ended"
		}
	}
	return nil
}

func (f traceFlags) stop(ctx context.Context, s *traceStatus, file string) error {
	return listener(f.addr).ask(ctx, http.MethodDelete, "/v1/trace?file="+url.QueryEscape(file), nil, s)
}

// whose says who has a trace, in the answer to one who wants another.
func whose(body []byte) string {
	var s struct {
		SystemID string    `json:"system_id"`
		Number   string    `json:"number"`
		Until    time.Time `json:"until"`
	}
	if json.Unmarshal(body, &s) != nil || s.Until.IsZero() {
		return ""
	}
	return fmt.Sprintf(" (of %s, until %s)", strings.TrimSpace(s.SystemID+" "+s.Number), s.Until.Format(time.TimeOnly))
}

// downloadWithin bounds the download of a file.
const downloadWithin = 5 * time.Minute

// download gets the file of a trace and returns where it is.
func (f traceFlags) download(ctx context.Context, file string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, downloadWithin)
	defer cancel()
	resp, err := listener(f.addr).request(ctx, http.MethodGet, "/v1/trace/file?file="+url.QueryEscape(file), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	name := f.output
	if name == "" {
		name = filepath.Base(file) // a name, wherever the node says it is
	}
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", fmt.Errorf("write the trace: %w", err)
	}
	_, err = io.Copy(to, resp.Body)
	if err := errors.Join(err, to.Close()); err != nil {
		return "", fmt.Errorf("write the trace: %w", err)
	}
	return name, nil
}
