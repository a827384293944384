package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// answerWithin bounds one question to a node, and maxAnswer what it may say.
const (
	answerWithin = 10 * time.Second
	maxAnswer    = 16 << 20
)

func newWhere() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "where MESSAGE_ID",
		Short: "Where is my SMS? Print what a node knows of a message",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return printAnswer(cmd, addr, "/v1/messages/"+url.PathEscape(args[0]))
		},
	}
	httpFlag(cmd, &addr)
	return cmd
}

func newStatus() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print a node's figures",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return printAnswer(cmd, addr, "/v1/status") },
	}
	httpFlag(cmd, &addr)
	return cmd
}

func httpFlag(cmd *cobra.Command, addr *string) {
	cmd.Flags().StringVar(addr, "http", "127.0.0.1:9775", "the node's admin listener")
}

// printAnswer gets path from the admin listener at addr and prints its JSON, indented, numbers as they came.
func printAnswer(cmd *cobra.Command, addr, path string) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), answerWithin)
	defer cancel()
	resp, err := listener(addr).request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(body), "", "  "); err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	out.WriteByte('\n')
	_, err = out.WriteTo(cmd.OutOrStdout())
	return err
}

// A listener is the address of a node's admin listener.
type listener string

// ask makes one request and decodes its answer. A body is sent as JSON.
func (l listener) ask(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return l.exchange(ctx, method, path, body, answer)
}

// post is ask for what takes its time.
func (l listener) post(ctx context.Context, path string, body, answer any) error {
	return l.exchange(ctx, http.MethodPost, path, body, answer)
}

func (l listener) exchange(ctx context.Context, method, path string, body, answer any) error {
	resp, err := l.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(answer); err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	return nil
}

// request makes a request, whose answer is 200 or 202.
func (l listener) request(ctx context.Context, method, path string, body any) (*http.Response, error) {
	addr := string(l)
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	var octets []byte
	if body != nil {
		var err error
		if octets, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(addr, "/")+path, bytes.NewReader(octets))
	if err != nil {
		return nil, fmt.Errorf("ask the node: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("ask the node: %w: is it running? --http names its admin listener", err)
	}
	if err != nil {
		return nil, fmt.Errorf("ask the node: %w", err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusAccepted {
		defer resp.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what has come is enough for an error
		return nil, fmt.Errorf("the node answers %s%s%s", resp.Status, reason(said), whose(said))
	}
	return resp, nil
}

// reason returns what an error's JSON says.
func reason(body []byte) string {
	var e struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil || e.Error == "" {
		return ""
	}
	return ": " + e.Error
}
