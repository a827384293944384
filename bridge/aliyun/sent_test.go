package aliyun

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"smppbridge/store"
)

// All days since then are asked for, page by page, as far back as the API goes.
func TestSentLists(t *testing.T) {
	now := time.Date(2026, 3, 6, 0, 3, 0, 0, beijing) // near midnight: the clock of the API may still be before it
	many := make([]string, 51)
	for i := range many {
		many[i] = detailRow(fmt.Sprintf("sb-1-%d", i), 1, "")
	}
	days := map[string][]string{
		"20260304": {detailRow("sb-1-a", 3, "DELIVERED")}, // sent on the 5th, as each row says
		"20260305": many,
		"20260306": {strings.ReplaceAll(detailRow("sb-1-b", 2, "MOBILE_NOT_ON_SERVICE"), "2026-03-05 00:00:06", "")},
	}
	tests := []struct {
		name  string
		since time.Time
		to    time.Time
		rows  int
		asked []string
	}{
		{"today", now, time.Time{}, 1, []string{"20260305/1", "20260305/2", "20260306/1"}},
		{"two days", now.Add(-36 * time.Hour), time.Time{}, 53, []string{"20260304/1", "20260305/1", "20260305/2", "20260306/1"}},
		{"until yesterday", now.Add(-36 * time.Hour), time.Date(2026, 3, 4, 23, 59, 0, 0, beijing), 52, []string{"20260304/1", "20260305/1", "20260305/2"}},
		{"what was sent before then is left out", time.Date(2026, 3, 5, 1, 0, 0, 0, beijing), time.Time{}, 1, []string{"20260305/1", "20260305/2", "20260306/1"}},
	}
	for _, tt := range tests {
		d := &detailServer{days: days}
		c := newClient(t, nil, plainRoute(t, serve(t, d.handle).URL))
		c.now = func() time.Time { return now }
		got, err := c.Sent(context.Background(), "main", "+86"+testPhone, tt.since, tt.to)
		if err != nil || len(got) != tt.rows || !slices.Equal(d.asked, tt.asked) {
			t.Errorf("%s: %d rows after %v, %v; want %d after %v", tt.name, len(got), d.asked, err, tt.rows, tt.asked)
			continue
		}
		if !tt.to.IsZero() {
			continue
		}
		last := got[len(got)-1]
		if last.OutID != "sb-1-b" || last.Template != "SMS_100000001" || last.Content != "【速通银行】482913" || !last.Found.Final || last.Found.Ending != store.EndUndeliverable {
			t.Errorf("%s: last row %+v", tt.name, last)
		}
	}
	d := &detailServer{days: days}
	c := newClient(t, nil, plainRoute(t, serve(t, d.handle).URL))
	c.now = func() time.Time { return now }
	if _, err := c.Sent(context.Background(), "main", testPhone, time.Unix(0, 0), time.Time{}); err != nil || len(d.asked) != 31 || d.asked[0] != "20260205/1" {
		t.Errorf("since ever: %d days from %v, %v", len(d.asked), d.asked[0], err)
	}
}

// A list that is not whole is an error: what is not in it would be sent again.
func TestSentFailures(t *testing.T) {
	for name, body := range map[string]string{
		"fewer rows than counted": `{"TotalCount":2,"SmsSendDetailDTOs":{"SmsSendDetailDTO":[]},"Code":"OK"}`,
		"no count":                `{"Code":"OK"}`,
		"refused":                 business("isp.RAM_PERMISSION_DENY", testPhone),
	} {
		c := newClient(t, nil, plainRoute(t, serve(t, respond(200, body)).URL))
		got, err := c.Sent(context.Background(), "main", testPhone, time.Now(), time.Time{})
		if err == nil || got != nil {
			t.Errorf("%s: %d rows, %v", name, len(got), err)
		}
		checkNoSecret(t, fmt.Sprint(err))
	}
	if _, err := newClient(t, nil).Sent(context.Background(), "main", testPhone, time.Now(), time.Time{}); err == nil {
		t.Error("no such route, no error")
	}
}
