package aliyun

import (
	"context"
	"time"

	"github.com/alibabacloud-go/tea/tea"

	"smppbridge/bridge"
)

// queryReach is how far back QuerySendDetails looks: 30 days, today among them.
const queryReach = 29 * 24 * time.Hour

// Sent asks the API (QuerySendDetails) for all that it sent to phone from one time to another, by whatever call; a zero to
// is now. What is older than the API shows is left out. Without an error the list is whole.
func (c *Client) Sent(ctx context.Context, routeName, phone string, from, to time.Time) ([]bridge.SentSMS, error) {
	r := c.route(routeName)
	if r == nil {
		c.metrics.finds.WithLabelValues(codeOther, findError).Inc()
		return nil, &callError{action: queryAction, code: codeNoRoute}
	}
	now := c.now()
	if to.IsZero() {
		to = now
	}
	first := from.Add(-nearMidnight)
	if oldest := now.Add(-queryReach); first.Before(oldest) {
		first = oldest
	}
	sent, err := r.sent(ctx, phone, first, soonest(to.Add(nearMidnight), now.Add(clockApart)))
	result := findUnknown
	switch {
	case err != nil:
		result = findError
	case len(sent) > 0:
		result = findKnown
	}
	c.metrics.finds.WithLabelValues(r.Name, result).Inc()
	return sent, err
}

func (r *route) sent(ctx context.Context, phone string, first, last time.Time) ([]bridge.SentSMS, error) {
	var sent []bridge.SentSMS
	for _, day := range daysBetween(first, last) {
		_, err := r.findOn(ctx, day, bareNumber(phone), func(row *sendDetail) bool {
			if row == nil {
				return false
			}
			at := parseTime(tea.StringValue(row.SendDate))
			if at.IsZero() || at.After(first) {
				sent = append(sent, bridge.SentSMS{
					OutID: tea.StringValue(row.OutId), Template: tea.StringValue(row.TemplateCode),
					Content: tea.StringValue(row.Content), Found: foundFrom(row),
				})
			}
			return false
		})
		if err != nil {
			return nil, err
		}
	}
	return sent, nil
}

// daysBetween are the SendDates of the days of UTC+8 from first to last.
func daysBetween(first, last time.Time) []string {
	var days []string
	y, m, d := first.In(beijing).Date()
	for day := time.Date(y, m, d, 0, 0, 0, 0, beijing); !day.After(last); day = day.AddDate(0, 0, 1) {
		days = append(days, day.Format("20060102"))
	}
	return days
}
