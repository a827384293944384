package main

import (
	"bufio"
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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The account of `smppbridged dev` that takes any text.
const (
	account  = "test"
	password = "secret"
)

// daemon is a running `smppbridged dev`.
type daemon struct {
	cmd    *exec.Cmd
	log    string // file of its log
	smpp   string // its SMPP address
	ledger string // URL of the simulator's ledger
}

// startDaemon starts the daemon on free ports and reads from its first lines where it listens.
func startDaemon(ctx context.Context, path, dir string) (*daemon, error) {
	d := &daemon{log: filepath.Join(dir, "daemon.log")}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.cmd = exec.CommandContext(ctx, path, "dev", "--smpp", "127.0.0.1:0", "--http", "127.0.0.1:0",
		"--data", filepath.Join(dir, "data"), "--log-level", "debug")
	d.cmd.Stderr = log
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	lines := bufio.NewScanner(out)
	for ready := false; !ready && lines.Scan(); {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) > 1 && f[0] == "SMPP":
			d.smpp = f[1]
		case len(f) > 1 && f[0] == "simulator":
			d.ledger = f[1]
		case len(f) == 1 && f[0] == "ready":
			ready = true
		}
	}
	if d.smpp == "" || d.ledger == "" {
		_ = d.stop()
		return nil, errors.New("the daemon did not say where it listens; see its log (--keep)")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the daemon
	return d, nil
}

// stop ends the daemon as systemd would, and wants a clean end.
func (d *daemon) stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the daemon: %w", err)
	}
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("the daemon's end: %w", err)
	}
	return nil
}

// job is what a client is asked to do with this daemon.
func (d *daemon) job(rec record) job {
	host, port, _ := net.SplitHostPort(d.smpp)
	n, _ := strconv.Atoi(port)
	return job{
		Host: host, Port: n, SystemID: account, Password: password, Source: source,
		Binds: rec.client.binds, Version: rec.client.version, Messages: rec.messages,
		Operations: rec.operands,
	}
}

// executed returns the texts that the simulated API has sent, by phone.
func (d *daemon) executed(ctx context.Context) (map[string][]string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.ledger, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	defer resp.Body.Close()
	var page struct {
		Entries []struct{ Phone, Params string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	sent := map[string][]string{}
	for _, e := range page.Entries {
		var params struct{ Content string }
		if err := json.Unmarshal([]byte(e.Params), &params); err != nil {
			return nil, fmt.Errorf("read the ledger: %w", err)
		}
		sent[e.Phone] = append(sent[e.Phone], params.Content)
	}
	return sent, nil
}

// checkLog wants a log, at level debug, in which no text, number or password of the run is.
func (d *daemon) checkLog(records []record) error {
	b, err := os.ReadFile(d.log)
	if err != nil {
		return err
	}
	log := string(b)
	if !strings.Contains(log, "level=DEBUG") {
		return errors.New("it has no line of level debug: what is there to search?")
	}
	if strings.Contains(log, password) {
		return errors.New("the password is in it")
	}
	for _, rec := range records {
		for _, m := range rec.messages {
			if m.status == statusOK && strings.Contains(log, m.To) {
				return fmt.Errorf("the number of %s of %s is in it", m.Name, rec.client.name)
			}
			if text, _, _ := strings.Cut(m.Text, ","); m.status == statusOK && strings.Contains(log, text) {
				return fmt.Errorf("the text of %s of %s is in it", m.Name, rec.client.name)
			}
		}
	}
	return nil
}
