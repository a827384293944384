package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// daemon is a running `smppbridged dev`.
type daemon struct {
	cmd    *exec.Cmd
	dir    string
	smpp   string // its SMPP address
	ledger string // URL of the simulator's ledger
}

// startDaemon starts the daemon on free ports and reads from its first lines where it listens.
func startDaemon(ctx context.Context, path string) (*daemon, error) {
	dir, err := os.MkdirTemp("", "smppbridge-demo-")
	if err != nil {
		return nil, err
	}
	d := &daemon{dir: dir}
	d.cmd = exec.CommandContext(ctx, path, "dev", "--smpp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", dir)
	d.cmd.Stderr = os.Stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	lines := bufio.NewScanner(out)
	for ready := false; !ready && lines.Scan(); {
		fmt.Println(lines.Text())
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
		return nil, fmt.Errorf("the daemon did not say where it listens: %w", lines.Err())
	}
	go func() { // ends with the daemon
		for lines.Scan() {
			fmt.Println(lines.Text())
		}
	}()
	return d, nil
}

// stop ends the daemon as systemd would, and wants a clean end.
func (d *daemon) stop() error {
	defer os.RemoveAll(d.dir)
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the daemon: %w", err)
	}
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("the daemon's end: %w", err)
	}
	return nil
}

// sent is what the simulated API executed.
type sent struct {
	Sign     string `json:"sign"`
	Template string `json:"template"`
	Params   string `json:"params"`
	Phone    string `json:"phone"`
}

// executed returns what the simulated API has sent to phone.
func (d *daemon) executed(ctx context.Context, phone string) ([]sent, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.ledger, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	defer resp.Body.Close()
	var page struct{ Entries []sent }
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	var list []sent
	for _, e := range page.Entries {
		if e.Phone == phone {
			list = append(list, e)
		}
	}
	return list, nil
}
