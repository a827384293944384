package main

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed clients
var files embed.FS

// unpack writes a file of clients/ into dir and returns its path.
func unpack(name, dir string) (string, error) {
	b, err := files.ReadFile("clients/" + name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, b, 0o600)
}

// scripted is a client that is a script: it reads a job as JSON from its standard input and writes one event
// a line to its standard output. What it says on its standard error goes to a file in dir.
func scripted(interpreter, name, dir, env string) func(context.Context, job, func(event)) error {
	return func(ctx context.Context, j job, emit func(event)) error {
		path, err := unpack(name, dir)
		if err != nil {
			return err
		}
		in, err := json.Marshal(j)
		if err != nil {
			return err
		}
		log, err := os.OpenFile(path+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer log.Close()
		cmd := exec.CommandContext(ctx, interpreter, path)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(in), log
		if env != "" {
			cmd.Env = append(os.Environ(), env)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		readErr := readEvents(out, emit)
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%s: %w; why is in its log (--keep)", name, err)
		}
		return readErr
	}
}

// readEvents reads to the end, also behind a line that is no event: a script must not block on its output.
func readEvents(out io.Reader, emit func(event)) (err error) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var e event
		if bad := json.Unmarshal(lines.Bytes(), &e); bad != nil {
			err = fmt.Errorf("not an event: %w", bad)
			continue
		}
		emit(e)
	}
	if lines.Err() != nil {
		_, _ = io.Copy(io.Discard, out)
		return lines.Err()
	}
	return err
}
