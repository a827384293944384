package aliyun

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	dysms "github.com/alibabacloud-go/dysmsapi-20170525/v3/client"
	"github.com/alibabacloud-go/tea/tea"

	"smppbridge/bridge"
	"smppbridge/store"
)

// beijing is the time zone of all times that Dysmsapi writes.
var beijing = time.FixedZone("UTC+8", 8*60*60)

const (
	queryAction  = "QuerySendDetails"
	findPageSize = 50 // the API's maximum
	maxFindPages = 100
	// nearMidnight is how far the call's day, as the API counts it, may be from that of our Begin:
	// the call's own duration, delays inside the API, clocks.
	nearMidnight = 10 * time.Minute
	// clockApart is how far the API's clock may be ahead of ours.
	clockApart = time.Minute
)

// Values of SendStatus.
const (
	sendStatusWaiting   = 1
	sendStatusFailed    = 2
	sendStatusDelivered = 3
)

// errTooManyPages ends a search that does not end by itself.
var errTooManyPages = errors.New("QuerySendDetails: more pages than a phone's day can have")

type sendDetail = dysms.QuerySendDetailsResponseBodySmsSendDetailDTOsSmsSendDetailDTO

// Find asks the API (QuerySendDetails) whether it executed the call with outID for phone. It looks
// at the day of UTC+8 on which the call was begun, and at the neighbouring one around midnight.
// Known is false only if the API showed all of these days' messages to the phone, and none was
// ours. How soon after a call the API shows it is not documented: a call that is not known yet may
// be known later.
func (c *Client) Find(ctx context.Context, routeName, outID, phone string, begun time.Time) (bridge.Found, error) {
	r := c.route(routeName)
	if r == nil {
		c.metrics.finds.WithLabelValues(codeOther, findError).Inc()
		return bridge.Found{}, &callError{action: queryAction, code: codeNoRoute}
	}
	detail, err := r.find(ctx, phone, wanted{outID, begun}, c.now())
	result := findUnknown
	switch {
	case err != nil:
		result = findError
	case detail != nil:
		result = findKnown
	}
	c.metrics.finds.WithLabelValues(r.Name, result).Inc()
	if err != nil || detail == nil {
		return bridge.Found{}, err
	}
	return foundFrom(detail), nil
}

// find searches all days that the call can be on; nil without an error means that it is on none.
func (r *route) find(ctx context.Context, phone string, call wanted, now time.Time) (*sendDetail, error) {
	for _, day := range sendDays(call.begun, now) {
		detail, err := r.findOn(ctx, day, bareNumber(phone), call.matches)
		if detail != nil || err != nil {
			return detail, err
		}
	}
	return nil, nil
}

// wanted is the call that is looked for.
type wanted struct {
	outID string
	begun time.Time
}

// matches reports whether a row is of that call. One that was sent well before the call was begun has
// the same OutId by accident: of a system whose data was thrown away.
func (w wanted) matches(row *sendDetail) bool {
	if row == nil || tea.StringValue(row.OutId) != w.outID {
		return false
	}
	sent := parseTime(tea.StringValue(row.SendDate))
	return sent.IsZero() || sent.After(w.begun.Add(-nearMidnight))
}

// findOn searches one day, page by page, for the first row that matches.
func (r *route) findOn(ctx context.Context, day, phone string, matches func(*sendDetail) bool) (*sendDetail, error) {
	seen := 0
	for number := int64(1); number <= maxFindPages; number++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		page, err := r.queryDetails(phone, day, number)
		if err != nil {
			return nil, err
		}
		for _, row := range page.rows {
			if matches(row) {
				return row, nil
			}
		}
		seen += len(page.rows)
		switch {
		case seen >= page.total:
			return nil, nil
		case len(page.rows) == 0:
			// "Not there" would be a licence to send again; this is not the whole list.
			return nil, &callError{action: queryAction, code: codeBadAnswer, detail: "fewer rows than TotalCount"}
		}
	}
	return nil, errTooManyPages
}

// sendDays are the SendDates to look at, that of begun first. One that has not come yet has nothing, and may be refused.
func sendDays(begun, now time.Time) []string {
	day := func(t time.Time) string { return t.In(beijing).Format("20060102") }
	days := []string{day(begun)}
	for _, near := range []time.Time{begun.Add(-nearMidnight), soonest(begun.Add(nearMidnight), now.Add(clockApart))} {
		if other := day(near); other != days[0] {
			days = append(days, other)
		}
	}
	return days
}

// soonest is the earlier of two times.
func soonest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// A detailPage is one page of what was sent to a phone on a day, and how much there is in all.
type detailPage struct {
	rows  []*sendDetail
	total int
}

// queryDetails fetches one page.
func (r *route) queryDetails(phone, day string, number int64) (page detailPage, err error) {
	defer func() {
		if recover() != nil { // see sendSms
			page, err = detailPage{}, &callError{action: queryAction, code: codePanic}
		}
	}()
	keys, err := r.keys()
	if err != nil {
		return detailPage{}, &callError{action: queryAction, code: codeNoCredentials, detail: err.Error()}
	}
	// A client of its own: searches must not wait for senders, nor senders for searches.
	sdk := r.copySDK()
	sdk.Credential = keys.sdk()
	response, err := sdk.QuerySendDetailsWithOptions(&dysms.QuerySendDetailsRequest{
		PhoneNumber: tea.String(phone),
		SendDate:    tea.String(day),
		PageSize:    tea.Int64(findPageSize),
		CurrentPage: tea.Int64(number),
	}, r.options)
	if err != nil {
		f := r.classify(err, "")
		if refreshes(f.code) {
			r.refreshKeys()
		}
		return detailPage{}, &callError{queryAction, builtin.lookup(f.code, f.status).code, f.status, f.detail}
	}
	return readPage(response)
}

// readPage checks an answer. Without a count and a list it says nothing, which is not the same as
// saying that there is nothing.
func readPage(response *dysms.QuerySendDetailsResponse) (detailPage, error) {
	bad := &callError{action: queryAction, code: codeBadAnswer}
	if response == nil || response.Body == nil || tea.Int32Value(response.StatusCode) != http.StatusOK {
		return detailPage{}, bad
	}
	body := response.Body
	switch code := foreignCode(tea.StringValue(body.Code)); {
	case code == "":
		return detailPage{}, bad
	case code != codeOK:
		return detailPage{}, &callError{action: queryAction, code: builtin.lookup(code, 0).code}
	}
	total, err := strconv.Atoi(tea.StringValue(body.TotalCount))
	if err != nil || total < 0 {
		return detailPage{}, bad
	}
	if body.SmsSendDetailDTOs == nil {
		return detailPage{total: total}, nil
	}
	return detailPage{body.SmsSendDetailDTOs.SmsSendDetailDTO, total}, nil
}

// foundFrom says what a row of QuerySendDetails means.
func foundFrom(detail *sendDetail) bridge.Found {
	found := bridge.Found{Known: true}
	code := tea.StringValue(detail.ErrCode)
	switch tea.Int64Value(detail.SendStatus) {
	case sendStatusDelivered:
		found.Final, found.Ending, found.Err = true, store.EndDelivered, deliveredErr
	case sendStatusFailed:
		found.Final = true
		found.Ending, found.Err = meaning(code, outcomeFailed)
		if found.Ending == 0 {
			found.Ending, found.Err = store.EndUnknown, pendingErr
		}
	case sendStatusWaiting:
	}
	if found.Final {
		found.Code = cleanID(code)
		found.DoneAt = parseTime(tea.StringValue(detail.ReceiveDate))
	}
	return found
}

// parseTime reads a time of the API: "2006-01-02 15:04:05" of UTC+8. Zero when it is none.
func parseTime(s string) time.Time {
	if t, err := time.ParseInLocation(time.DateTime, strings.TrimSpace(s), beijing); err == nil {
		return t
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t
	}
	return time.Time{}
}

// bareNumber spells a mainland number as the API reports it and wants it in queries: 11 digits
// without 86. Others are returned without "+".
func bareNumber(phone string) string {
	digits := strings.TrimPrefix(strings.TrimPrefix(phone, "+"), "00")
	if rest, found := strings.CutPrefix(digits, "86"); found && len(rest) == 11 && rest[0] == '1' {
		return rest
	}
	if _, err := strconv.ParseUint(digits, 10, 64); err == nil && digits != "" {
		return digits
	}
	return phone
}
