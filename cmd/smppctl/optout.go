package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// optOutChunk is how many numbers one request has.
const optOutChunk = 1000

// optOutFlags are the flags of optout.
type optOutFlags struct {
	addr, account string
	full          bool
}

func newOptOut() *cobra.Command {
	var f optOutFlags
	cmd := &cobra.Command{
		Use:   "optout",
		Short: "List and change who has opted out of an account's messages",
		Long: `List and change who has opted out of an account's messages: of the classes that its policy names (opt_out.classes). Who
answers with one of its opt-out words enters the list by itself. What is submitted to a number on it is refused with
ESME_RINVDSTADR; what waits for it is not sent, and its receipt has err:107.`,
	}
	httpFlag(cmd, &f.addr)
	pf := cmd.PersistentFlags()
	pf.AddFlag(cmd.Flags().Lookup("http"))
	pf.StringVar(&f.account, "account", "", "the account's system_id")
	_ = cmd.MarkPersistentFlagRequired("account")
	list := &cobra.Command{
		Use:   "list",
		Short: "Print the numbers, since when and how: by a message of theirs, or by an operator",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return f.list(cmd.Context(), cmd.OutOrStdout()) },
	}
	list.Flags().BoolVar(&f.full, "full", false, "print whole numbers")
	cmd.AddCommand(list,
		&cobra.Command{
			Use:   "add NUMBER...",
			Short: "Opt numbers out",
			Args:  cobra.MinimumNArgs(1),
			RunE:  func(cmd *cobra.Command, args []string) error { return f.set(cmd, "add", args) },
		},
		&cobra.Command{
			Use:   "remove NUMBER...",
			Short: "Opt numbers in again",
			Args:  cobra.MinimumNArgs(1),
			RunE:  func(cmd *cobra.Command, args []string) error { return f.set(cmd, "remove", args) },
		},
		&cobra.Command{
			Use:   "import FILE",
			Short: "Opt the numbers of a file out, one a line (- is standard input); what follows a comma, a space or a # is left aside",
			Args:  cobra.ExactArgs(1),
			RunE:  func(cmd *cobra.Command, args []string) error { return f.load(cmd, args[0]) },
		})
	return cmd
}

// optOutsAnswer is what a node says of a list.
type optOutsAnswer struct {
	OptOuts []struct {
		Phone string    `json:"phone"`
		Since time.Time `json:"since"`
		By    string    `json:"by"`
	} `json:"optouts"`
	Next string `json:"next"`
}

// list prints the list, page by page.
func (f *optOutFlags) list(ctx context.Context, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NUMBER\tSINCE\tBY")
	q := url.Values{"account": {f.account}}
	if f.full {
		q.Set("full", "true")
	}
	for {
		var a optOutsAnswer
		if err := listener(f.addr).ask(ctx, http.MethodGet, "/v1/optouts?"+q.Encode(), nil, &a); err != nil {
			return errors.Join(table.Flush(), err)
		}
		for _, o := range a.OptOuts {
			fmt.Fprintf(table, "%s\t%s\t%s\n", o.Phone, o.Since.UTC().Format(time.DateTime), o.By)
		}
		if a.Next == "" {
			return table.Flush()
		}
		q.Set("after", a.Next)
	}
}

// set adds numbers to the list, or removes them.
func (f *optOutFlags) set(cmd *cobra.Command, how string, numbers []string) error {
	changed, err := f.change(cmd.Context(), how, numbers)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d of %d changed\n", changed, len(numbers))
	return err
}

func (f *optOutFlags) change(ctx context.Context, how string, numbers []string) (changed int, err error) {
	var a struct {
		Changed int `json:"changed"`
	}
	err = listener(f.addr).ask(ctx, http.MethodPost, "/v1/optouts", map[string]any{"account": f.account, how: numbers}, &a)
	return a.Changed, err
}

// load opts out the numbers of a file.
func (f *optOutFlags) load(cmd *cobra.Command, name string) error {
	in := cmd.InOrStdin()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	l := loader{f: f, from: 1}
	if err := l.read(cmd.Context(), in); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d of %d changed\n", l.changed, l.total)
	return err
}

// A loader opts out the numbers of one file, a chunk at a time: each is changed as a whole.
type loader struct {
	f              *optOutFlags
	numbers        []string // of the chunk
	from, line     int      // lines of the chunk
	total, changed int      // numbers of those before
}

func (l *loader) read(ctx context.Context, in io.Reader) error {
	scan := bufio.NewScanner(in)
	for scan.Scan() {
		l.line++
		text, _, _ := strings.Cut(scan.Text(), "#")
		fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",; \t\r\uFEFF", r) })
		if len(fields) == 0 {
			continue
		}
		if l.numbers = append(l.numbers, fields[0]); len(l.numbers) < optOutChunk {
			continue
		}
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	return errors.Join(scan.Err(), l.flush(ctx))
}

// flush sends the chunk. An error says which lines are not on the list.
func (l *loader) flush(ctx context.Context) error {
	if len(l.numbers) == 0 {
		return nil
	}
	n, err := l.f.change(ctx, "add", l.numbers)
	if err != nil {
		return fmt.Errorf("lines %d to %d, with %d numbers: %w; the lines before are on the list, these and those behind are not",
			l.from, l.line, len(l.numbers), err)
	}
	l.changed, l.total, l.numbers, l.from = l.changed+n, l.total+len(l.numbers), l.numbers[:0], l.line+1
	return nil
}
