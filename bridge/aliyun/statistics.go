package aliyun

import (
	"context"
	"net/http"
	"time"

	dysms "github.com/alibabacloud-go/dysmsapi-20170525/v3/client"
	"github.com/alibabacloud-go/tea/tea"

	"smppbridge/bridge"
)

const (
	statisticsAction = "QuerySendStatistics"
	statisticsPage   = 50 // the API's maximum
)

// A statisticsKind is a kind of template as QuerySendStatistics numbers it.
type statisticsKind struct {
	name  string
	kind  int32
	globe int32 // 1: mainland China, 2: abroad
}

// statisticsKinds are all that this bridge sends by.
func statisticsKinds() []statisticsKind {
	return []statisticsKind{{bridge.KindCode, 0, 1}, {bridge.KindNotice, 1, 1}, {bridge.KindPromotion, 2, 1}, {bridge.KindInternational, 3, 2}}
}

// Totals asks the API (QuerySendStatistics) what it sent for the route's account on a day of UTC+8, whoever made the calls,
// by kind of template. It says nothing of kinds of which nothing was sent.
func (c *Client) Totals(ctx context.Context, routeName string, day time.Time) ([]bridge.DayTotal, error) {
	r := c.route(routeName)
	if r == nil {
		return nil, &callError{action: statisticsAction, code: codeNoRoute}
	}
	var list []bridge.DayTotal
	for _, k := range statisticsKinds() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row, err := r.total(k, day.In(beijing).Format("20060102"))
		if err != nil {
			return nil, err
		}
		if row.Sent > 0 {
			list = append(list, row)
		}
	}
	return list, nil
}

// total is what was sent by one kind of template on a day.
func (r *route) total(k statisticsKind, day string) (total bridge.DayTotal, err error) {
	defer func() {
		if recover() != nil { // see sendSms
			err = &callError{action: statisticsAction, code: codePanic}
		}
	}()
	keys, err := r.keys()
	if err != nil {
		return total, &callError{action: statisticsAction, code: codeNoCredentials, detail: err.Error()}
	}
	sdk := r.copySDK()
	sdk.Credential = keys.sdk()
	response, err := sdk.QuerySendStatisticsWithOptions(&dysms.QuerySendStatisticsRequest{
		StartDate: tea.String(day), EndDate: tea.String(day), IsGlobe: tea.Int32(k.globe), TemplateType: tea.Int32(k.kind),
		PageIndex: tea.Int32(1), PageSize: tea.Int32(statisticsPage),
	}, r.options)
	if err != nil {
		f := r.classify(err, "")
		if refreshes(f.code) {
			r.refreshKeys()
		}
		return total, &callError{statisticsAction, builtin.lookup(f.code, f.status).code, f.status, f.detail}
	}
	return readStatistics(response, k, day)
}

// readStatistics checks an answer. Without its list it says nothing, which is not the same as saying that nothing was sent.
func readStatistics(response *dysms.QuerySendStatisticsResponse, k statisticsKind, day string) (bridge.DayTotal, error) {
	total := bridge.DayTotal{Kind: k.name}
	bad := &callError{action: statisticsAction, code: codeBadAnswer}
	if response == nil || response.Body == nil || tea.Int32Value(response.StatusCode) != http.StatusOK {
		return total, bad
	}
	switch code := foreignCode(tea.StringValue(response.Body.Code)); {
	case code == "":
		return total, bad
	case code != codeOK:
		return total, &callError{action: statisticsAction, code: builtin.lookup(code, 0).code}
	case response.Body.Data == nil:
		return total, bad
	}
	for _, row := range response.Body.Data.TargetList {
		if row == nil || !sameDay(tea.StringValue(row.SendDate), day) {
			continue
		}
		total.Sent += tea.Int64Value(row.TotalCount)
		total.Delivered += tea.Int64Value(row.RespondedSuccessCount)
		total.Failed += tea.Int64Value(row.RespondedFailCount)
		total.Open += tea.Int64Value(row.NoRespondedCount)
	}
	return total, nil
}

// sameDay reports whether a row is of the day that was asked for. How the API spells it is not certain: 20060102 is
// documented, and other APIs of it write 2006-01-02.
func sameDay(spelled, day string) bool {
	var digits []byte
	for i := range len(spelled) {
		if spelled[i] >= '0' && spelled[i] <= '9' {
			digits = append(digits, spelled[i])
		}
	}
	return len(digits) >= len(day) && string(digits[:len(day)]) == day
}
