package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tools are the programs of others that a run needs.
type tools struct {
	bearerbox, smsbox string // Kannel
	node, perl        string
	dumpcap, tshark   string
	cache             string // holds npm's package
}

// nodePath is the environment in which node finds npm's package.
func (t tools) nodePath() string { return "NODE_PATH=" + filepath.Join(t.cache, "node_modules") }

// findTools finds everything, or says all that is missing.
func findTools(ctx context.Context, cache string) (tools, error) {
	t := tools{cache: cache}
	var missing []string
	for _, p := range []struct {
		path         *string
		name, pkg    string
		version, out string // with these arguments it says out, if it is all there
	}{
		{&t.bearerbox, "bearerbox", "kannel", "", ""},
		{&t.smsbox, "smsbox", "kannel", "", ""},
		{&t.node, "node", "nodejs", "", ""},
		{&t.perl, "perl", "libnet-smpp-perl", "-MNet::SMPP -MJSON::PP -MEncode::GSM0338 -e print(42)", "42"},
		{&t.dumpcap, "dumpcap", "tshark", "", ""},
		{&t.tshark, "tshark", "tshark", "--version", "TShark"},
	} {
		path, err := lookPath(p.name)
		if err == nil && p.version != "" {
			out, _ := exec.CommandContext(ctx, path, strings.Fields(p.version)...).Output()
			if !strings.Contains(string(out), p.out) {
				err = errors.New("incomplete")
			}
		}
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s (Debian's %s)", p.name, p.pkg))
		}
		*p.path = path
	}
	if _, err := os.Stat(filepath.Join(cache, "node_modules", "smpp", "package.json")); err != nil {
		missing = append(missing, "npm's smpp in "+cache)
	}
	if len(missing) > 0 {
		return t, fmt.Errorf("missing: %s; --install installs them (Debian, root)", strings.Join(missing, ", "))
	}
	return t, nil
}

// lookPath also looks where daemons are, which is not on everybody's path.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	return path, nil
}

// install brings what is missing from Debian and npm.
func install(ctx context.Context, cache string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		if _, err := unpack(name, cache); err != nil {
			return err
		}
	}
	script, err := unpack("install.sh", cache)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "bash", script, cache)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	return nil
}
