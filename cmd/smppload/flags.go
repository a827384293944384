package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// loadFlags are the command line of a run.
type loadFlags struct {
	fleetOptions
	bindMode string
	version  string
	long     string
	plan     string
	texts    string
	ucs2     bool
	idle     int
	profile  string
	json     bool
}

// bindModes and versions are what the flags of these names may be.
var (
	bindModes = []string{"trx", "pair"}
	versions  = []string{"0x34", "0x50", "0x33"}
)

func newRoot() *cobra.Command {
	var f loadFlags
	root := &cobra.Command{
		Use:           "smppload",
		Short:         "A fleet of ESMEs that measures a message centre",
		Args:          noArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return runLoad(cmd, f) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newEcho())
	root.Flags().SortFlags = false
	f.defineBinds(root)
	f.defineMessages(root)
	f.defineReceipts(root)
	return root
}

// noArgs is cobra.NoArgs as an error of the command line.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// defineBinds makes the flags about sessions.
func (f *loadFlags) defineBinds(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.addr, "addr", "127.0.0.1:2775", "the message centre; several, separated by commas, are nodes of a cluster: sessions go round")
	fl.BoolVar(&f.tls.on, "tls", false, "connect over TLS")
	fl.StringVar(&f.tls.ca, "tls-ca", "", "over TLS, and trust the certificates in this PEM `FILE` instead of the system's")
	fl.BoolVar(&f.tls.insecure, "tls-insecure", false, "over TLS, and take any certificate")
	fl.StringVar(&f.systemID, "system-id", "test", "account")
	fl.StringVar(&f.password, "password", "", "its password; better given in the environment as "+passwordEnv)
	fl.Var(&choice{&f.version, versions}, "version", "interface_version of the binds")
	fl.IntVar(&f.binds, "binds", 8, "sessions that submit")
	fl.Var(&choice{&f.bindMode, bindModes}, "bind-mode", "each a transceiver, or a transmitter with a receiver beside it")
	fl.IntVar(&f.window, "window", 200, "unanswered submit_sm of one bind")
	fl.IntVar(&f.idle, "idle", 0, "only bind so many sessions, say when all are bound, and hold them until --duration, if it is given, or an interrupt")
	fl.BoolVar(&f.reconnect, "reconnect", false, "make a connection that breaks again; what was unanswered is counted as unknown")
	fl.BoolVar(&f.resubmit, "resubmit", false, "with --reconnect: and submit that again, with user_message_reference 1")
	fl.DurationVar(&f.patience, "patience", 30*time.Second, "give up when submit_sm are unanswered or sessions down and for so long no answer at all has come")
}

// defineMessages makes the flags about what is submitted when.
func (f *loadFlags) defineMessages(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.Int64Var(&f.schedule.rate, "rate", 0, "messages per second of all binds together; 0 = as fast as the windows allow")
	fl.DurationVar(&f.schedule.duration, "duration", 10*time.Second, "length of the run; 0 = until --messages or an interrupt")
	fl.StringVar(&f.plan, "schedule", "", "instead of both, rates and ramps: 100/s:10s,0:5s,100-1000/s:60s; a pause at the end is not waited for")
	fl.Int64Var(&f.schedule.messages, "messages", 0, "stop after so many; 0 = no limit")
	fl.Int64Var(&f.first, "first", 0, "number of the first message: {n} and the phone number follow from it")
	fl.StringVar(&f.message.text, "text", "load test {n}", "text; {n} becomes the message's number (9 digits), {code} a six-digit code")
	fl.StringVar(&f.texts, "texts", "", "a `FILE` of texts, one to a line, with \\n for a line feed; they take turns")
	fl.Uint64Var(&f.message.seed, "seed", 0, "with --texts: choose at random, the same way for the same seed")
	fl.Var(&f.message.coding, "data-coding", "of all texts; auto = for each 0, GSM 7-bit, if that has its characters, else 8, UCS-2")
	fl.BoolVar(&f.ucs2, "ucs2", false, "the same as --data-coding 8")
	fl.Var(&choice{&f.long, longForms}, "long", "texts longer than an SMS: whole (in message_payload above 254 octets), or in parts")
	fl.StringVar(&f.message.source, "source", "1069", "source_addr")
	fl.StringVar(&f.message.destPrefix, "dest-prefix", "138", "how the ascending 11-digit phone numbers begin")
}

// defineReceipts makes the flags about what is expected and printed.
func (f *loadFlags) defineReceipts(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&f.message.registered, "registered", false, "ask for receipts, for each part its own")
	fl.DurationVar(&f.receipts, "receipts-within", 30*time.Second, "how long to wait for receipts at the end, if they are asked for; 0 = do not")
	fl.DurationVar(&f.receipts, "wait-receipts", 30*time.Second, "the former name of --receipts-within")
	_ = fl.MarkHidden("wait-receipts") // there is such a flag
	fl.Var(&f.expect, "expect-states", "the final states that a receipt may have, such as DELIVRD,UNDELIV, or any")
	fl.BoolVar(&f.strict, "strict", false, "fail when anything about a receipt is wrong, not only when one is missing")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.BoolVar(&f.series, "series", false, "print a row for each second too")
	fl.StringVar(&f.profile, "cpuprofile", "", "write a CPU profile to this `FILE`")
}

// runLoad does one run and prints it.
func runLoad(cmd *cobra.Command, f loadFlags) error {
	if f.password == "" {
		f.password = os.Getenv(passwordEnv)
	}
	if err := f.complete(cmd.Flags().Changed); err != nil {
		return usageError{err}
	}
	if f.progressTo = cmd.OutOrStdout(); f.json {
		f.progressTo = cmd.ErrOrStderr() // the output is one object
	}
	stop, err := profile(f.profile)
	if err != nil {
		return err
	}
	s, err := load(cmd.Context(), f.fleetOptions)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	write := s.writeText
	if f.json {
		write = s.writeJSON
	}
	if err := write(cmd.OutOrStdout()); err != nil {
		return err
	}
	return s.failed()
}

// complete turns what was given into options. given says whether a flag was.
func (f *loadFlags) complete(given func(flag string) bool) error {
	if err := f.checkTogether(given); err != nil {
		return err
	}
	f.pair = f.bindMode == "pair"
	for i, name := range longForms {
		if f.long == name {
			f.message.long = longForm(i)
		}
	}
	switch f.version {
	case "0x33":
		f.fleetOptions.version, f.message.plain = 0x33, true
	case "0x50":
		f.fleetOptions.version = 0x50
	}
	if f.ucs2 {
		f.message.coding = coding{forced: true, value: 8}
	}
	f.message.random = given("seed")
	if given("idle") {
		f.hold, f.binds = true, f.idle
		if !given("duration") {
			f.schedule.duration = 0
		}
	}
	if f.plan != "" {
		p, err := parsePlan(f.plan)
		if err != nil {
			return fmt.Errorf("--schedule: %w", err)
		}
		f.schedule.plan, f.schedule.duration = p, 0
	}
	if f.texts != "" {
		var err error
		if f.message.texts, err = readTexts(f.texts); err != nil {
			return fmt.Errorf("--texts: %w", err)
		}
	}
	return f.check()
}

// checkTogether reports flags that contradict each other or mean nothing alone.
func (f *loadFlags) checkTogether(given func(flag string) bool) error {
	for _, flags := range [][2]string{
		{"schedule", "rate"}, {"schedule", "duration"}, {"texts", "text"}, {"ucs2", "data-coding"},
		{"idle", "binds"}, {"idle", "rate"}, {"idle", "schedule"}, {"idle", "messages"},
		{"receipts-within", "wait-receipts"},
	} {
		if given(flags[0]) && given(flags[1]) {
			return fmt.Errorf("--%s and --%s exclude each other", flags[0], flags[1])
		}
	}
	for _, flags := range [][2]string{
		{"seed", "texts"}, {"resubmit", "reconnect"}, {"strict", "registered"},
	} {
		if given(flags[0]) && !given(flags[1]) {
			return fmt.Errorf("--%s wants --%s", flags[0], flags[1])
		}
	}
	return nil
}

// check reports what is out of range, cannot be encoded or is not there.
func (o *fleetOptions) check() error {
	for _, c := range []struct {
		flag        string
		value       int64
		least, most int64
	}{
		{"binds", int64(o.binds), 1, 100_000},
		{"window", int64(o.window), 1, 100_000},
		{"rate", o.schedule.rate, 0, mostRate},
		{"messages", o.schedule.messages, 0, 1e12},
		{"first", o.first, 0, 1e12},
		{"duration", int64(o.schedule.duration), 0, int64(24 * time.Hour)},
		{"patience", int64(o.patience), int64(time.Millisecond), int64(24 * time.Hour)},
		{"receipts-within", int64(o.receipts), 0, int64(24 * time.Hour)},
	} {
		if c.value < c.least || c.value > c.most {
			return fmt.Errorf("--%s: out of range", c.flag)
		}
	}
	_, err := newFleet(*o)
	return err
}

// A choice is a flag that has one of a few values, the first if it is not given.
type choice struct {
	value *string
	of    []string
}

// String is the value.
func (c *choice) String() string {
	if c.value == nil || *c.value == "" {
		return strings.Join(c.of[:min(1, len(c.of))], "")
	}
	return *c.value
}

// Set takes one of the values.
func (c *choice) Set(s string) error {
	for _, value := range c.of {
		if s == value {
			*c.value = s
			return nil
		}
	}
	return fmt.Errorf("want %s", c.Type())
}

// Type names the values in a usage text.
func (c *choice) Type() string { return strings.Join(c.of, "|") }
