package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
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
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(addr, "/")+path, nil)
	if err != nil {
		return fmt.Errorf("ask the node: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the node: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the node answers %s%s", resp.Status, reason(body))
	}
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(body), "", "  "); err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	out.WriteByte('\n')
	_, err = out.WriteTo(cmd.OutOrStdout())
	return err
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
