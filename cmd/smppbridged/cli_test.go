package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long these tests wait for what happens in the end, and what an ESME of theirs may take for anything: it
// is not read all the time.
const patience = time.Minute

// TestCommandLine runs testdata/cli/*.txtar against the program as it is built: what it prints, what
// it exits with, and what signals do to it.
func TestCommandLine(t *testing.T) {
	bin := filepath.Dir(buildDaemon(t))
	testscript.Run(t, testscript.Params{
		Dir: "testdata/cli",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": scriptExits, "addr": scriptAddr, "busy": scriptBusy,
			"get": scriptGet, "post": scriptPost, "expand": scriptExpand, "awaits": scriptAwaits, "signal": scriptSignal,
		},
	})
}

// scriptExits is `exits CODE PROGRAM ARGS...`: the program ends by itself, soon.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	began := time.Now()
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
	if took := time.Since(began); took > patience {
		ts.Fatalf("it took %v to say so", took)
	}
}

// scriptAddr is `addr VARIABLE...`: each gets a loopback address that was free a moment ago.
func scriptAddr(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		l, err := listenLow()
		ts.Check(err)
		ts.Setenv(name, l.Addr().String())
		defer l.Close() // not before all have one: they are to differ
	}
}

// scriptBusy is `busy VARIABLE`: it gets an address that the test listens on until the script ends.
func scriptBusy(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// scriptGet is `get URL STATUS [REGEXP]`: it asks until the answer is that.
func scriptGet(ts *testscript.TestScript, _ bool, args []string) {
	args = append(args, "")
	match := regexp.MustCompile(args[2])
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); pause() {
		resp, err := http.Get(args[0])
		if err != nil {
			last = err.Error()
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		ts.Check(err)
		if last = fmt.Sprintf("%d %s", resp.StatusCode, body); strings.HasPrefix(last, args[1]) && match.Match(body) {
			return
		}
	}
	ts.Fatalf("the last answer was %s", last)
}

// scriptExpand is `expand FILE...`: $VARIABLES in the files become their values.
func scriptExpand(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args {
		text := os.Expand(ts.ReadFile(file), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// scriptAwaits is `awaits FILE REGEXP`: it waits until a file that grows matches.
func scriptAwaits(ts *testscript.TestScript, _ bool, args []string) {
	match := regexp.MustCompile(args[1])
	var text []byte
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); pause() {
		var err error
		if text, err = os.ReadFile(ts.MkAbs(args[0])); err == nil && match.Match(text) {
			return
		}
	}
	ts.Fatalf("%s does not match %s:\n%s", args[0], args[1], text)
}

// scriptSignal is `signal NAME`: all programs in the background get it.
func scriptSignal(ts *testscript.TestScript, _ bool, args []string) {
	sig, ok := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[args[0]]
	running := ts.BackgroundCmds()
	if !ok || len(running) == 0 {
		ts.Fatalf("signal %s to %d programs", args[0], len(running))
	}
	for _, cmd := range running {
		ts.Check(cmd.Process.Signal(sig))
	}
}

// scriptPost is `post URL BODY STATUS`: it asks until the answer is that.
func scriptPost(ts *testscript.TestScript, _ bool, args []string) {
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); pause() {
		resp, err := http.Post(args[0], "application/json", strings.NewReader(args[1]))
		if err != nil {
			last = err.Error()
			continue
		}
		resp.Body.Close()
		if last = resp.Status; strings.HasPrefix(last, args[2]) {
			return
		}
	}
	ts.Fatalf("the last answer was %s", last)
}

// pause is how often something is looked at that cannot be waited for.
func pause() { <-time.After(5 * time.Millisecond) }

// TestFaultyFiles: each of the configurations that must fail does so in the program too: with exit
// code 2, and a message that names file, line and key.
func TestFaultyFiles(t *testing.T) {
	binary := buildDaemon(t)
	files, err := filepath.Glob("../../configs/testdata/bad/*.yaml")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			config := filepath.Join(dir, name)
			write(t, config, string(text))
			if strings.HasPrefix(name, "policy-") {
				config = filepath.Join(dir, "node.yaml")
				write(t, config, "data_dir: "+dir+"/data\ncallback: {listen: \"\"}\ncredentials: {default: {source: file, file: key}}\n"+
					"policy: {file: "+name+"}\n")
				write(t, filepath.Join(dir, "key"), "id\nsecret\n")
			}
			cmd := exec.CommandContext(t.Context(), binary, "run", "--config", config)
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != exitUsage {
				t.Fatalf("exit code %d, want %d: %v\n%s", code, exitUsage, err, out)
			}
			checkFaults(t, string(text), string(out), name)
			if _, err := os.Stat(filepath.Join(dir, "data")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data directory was made all the same: %v", err)
			}
		})
	}
}

// checkFaults compares a program's words with what the first lines of a bad file say is to be found.
func checkFaults(t *testing.T, file, said, name string) {
	t.Helper()
	located := regexp.MustCompile(regexp.QuoteMeta(name) + `(:\d+)?: \S`)
	if !located.MatchString(said) {
		t.Errorf("the message does not say where: %s", said)
	}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(file, "\ufeff")) {
		want, ok := strings.CutPrefix(line, "# want: ")
		if !ok {
			break
		}
		n++
		if !strings.Contains(said, strings.TrimSpace(want)) {
			t.Errorf("got %s\nwant %s", said, want)
		}
	}
	if n == 0 {
		t.Error("the file does not say what is wrong with it")
	}
}

// buildDaemon builds the program as users get it and returns its path.
func buildDaemon(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "smppbridged")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// devProcess is a running `smppbridged dev`, and where its first lines say that it listens.
type devProcess struct {
	t                *testing.T
	smpp, http, sim  string
	logs             logBuffer
	stop             func() // SIGTERM, which must end in exit code 0
	printed          []string
	announced, ended chan struct{}
	err              error // of the program's end; after ended
}

// where finds each address in what dev prints.
var whereLine = map[string]*regexp.Regexp{
	"smpp": regexp.MustCompile(`^SMPP\s+(127\.0\.0\.1:\d+)\s`),
	"http": regexp.MustCompile(`^HTTP\s+(http://127\.0\.0\.1:\d+)\s`),
	"sim":  regexp.MustCompile(`^simulator\s+(http://127\.0\.0\.1:\d+)/sim/ledger\s`),
}

// startDev starts `smppbridged dev` on free ports and waits until it says that it is ready. Its log
// must be free of private words, as every log.
func startDev(t *testing.T, binary string, args ...string) *devProcess {
	t.Helper()
	d := &devProcess{t: t, announced: make(chan struct{}), ended: make(chan struct{})}
	cmd := exec.Command(binary, append([]string{"dev", "--smpp", "127.0.0.1:0", "--http", "127.0.0.1:0"}, args...)...)
	cmd.Stderr = &d.logs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the program
		defer close(d.ended)
		d.read(out)
		d.err = cmd.Wait()
	}()
	d.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-d.ended:
		case <-time.After(patience):
			t.Error("dev does not end")
			_ = cmd.Process.Kill()
			<-d.ended
		}
		if d.err != nil {
			t.Errorf("dev's end: %v", d.err)
		}
		d.logs.check(t)
	})
	t.Cleanup(d.stop)
	select {
	case <-d.announced:
	case <-d.ended:
		t.Fatalf("dev ended: %v\n%s", d.err, d.logs.String())
	case <-time.After(patience):
		t.Fatal("dev is not ready")
	}
	d.parse()
	return d
}

// read takes dev's output up to its end; what follows "ready" is not looked at.
func (d *devProcess) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	ready := false
	for lines.Scan() {
		if ready {
			continue
		}
		d.printed = append(d.printed, lines.Text())
		if ready = lines.Text() == "ready"; ready {
			close(d.announced)
		}
	}
}

func (d *devProcess) parse() {
	d.t.Helper()
	for name, where := range map[string]*string{"smpp": &d.smpp, "http": &d.http, "sim": &d.sim} {
		i := slices.IndexFunc(d.printed, whereLine[name].MatchString)
		if i < 0 {
			d.t.Fatalf("dev does not say where %s is: %q", name, d.printed)
		}
		*where = whereLine[name].FindStringSubmatch(d.printed[i])[1]
	}
}
