package aliyunsim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// statisticsFormat is how QuerySendStatistics spells days.
const statisticsFormat = "20060102"

// A statisticsAnswer is what QuerySendStatistics returns.
type statisticsAnswer struct {
	Data      statisticsPage
	Message   string
	RequestId string
	Code      string
}

type statisticsPage struct {
	TotalSize  int
	TargetList []statisticsRow
}

// A statisticsRow counts the messages of a day at UTC+8. Whether the API counts messages or the SMS that they are made of is
// not documented; here it is messages.
type statisticsRow struct {
	SendDate              string
	TotalCount            int
	RespondedSuccessCount int
	RespondedFailCount    int
	NoRespondedCount      int
}

// A statisticsQuery is a decoded QuerySendStatistics.
type statisticsQuery struct {
	from, to   int64 // Unix ms
	globe      bool
	kind       TemplateType
	anyKind    bool
	sign       string
	page, size int
}

// querySendStatistics counts what the account was sent, day by day, youngest first. Days without messages are left out.
func (s *Server) querySendStatistics(c *call) (answer, *apiError) {
	q, ok := s.statisticsQuery(c)
	if !ok {
		return answer{}, invalidParameters()
	}
	now := s.now().UnixMilli()
	rows := map[string]*statisticsRow{}
	first, last := q.to, q.from
	s.ledger.each(func(_ int64, r *record) {
		if r.account != c.account || r.at < q.from || r.at >= q.to || !q.takes(r) {
			return
		}
		day := beijing(time.UnixMilli(r.at)).Format(statisticsFormat)
		if rows[day] == nil {
			rows[day] = &statisticsRow{SendDate: day}
		}
		rows[day].count(r, now)
		first, last = min(first, r.at), max(last, r.at)
	})
	out := statisticsAnswer{Message: codeOK, RequestId: c.id, Code: codeOK}
	out.Data.TotalSize = len(rows)
	var list []statisticsRow
	for at := last; at >= first-day.Milliseconds(); at -= day.Milliseconds() {
		if row := rows[beijing(time.UnixMilli(at)).Format(statisticsFormat)]; row != nil {
			list = append(list, *row)
		}
	}
	start := min(len(list), (q.page-1)*q.size)
	out.Data.TargetList = list[start:min(len(list), start+q.size)]
	body, err := json.Marshal(out)
	if err != nil {
		return answer{}, gatewayError(http.StatusInternalServerError, "InternalError", err.Error())
	}
	return answer{status: http.StatusOK, body: body, code: codeOK}, nil
}

// takes reports whether q is about messages like r.
func (q *statisticsQuery) takes(r *record) bool {
	return (r.template.Type == TypeInternational) == q.globe && (q.anyKind || r.template.Type == q.kind) &&
		(q.sign == "" || r.sign == q.sign)
}

// count adds a message as it stands at now.
func (row *statisticsRow) count(r *record, now int64) {
	row.TotalCount++
	switch {
	case r.errCode == "" || r.due > now:
		row.NoRespondedCount++
	case r.errCode == codeDelivered:
		row.RespondedSuccessCount++
	default:
		row.RespondedFailCount++
	}
}

// statisticsQuery decodes c.
func (s *Server) statisticsQuery(c *call) (q statisticsQuery, ok bool) {
	from, err1 := time.Parse(statisticsFormat, c.get("StartDate"))
	to, err2 := time.Parse(statisticsFormat, c.get("EndDate"))
	if err1 != nil || err2 != nil || to.Before(from) {
		return q, false
	}
	q.from = from.Add(-8 * time.Hour).UnixMilli()
	q.to = to.Add(day - 8*time.Hour).UnixMilli()
	switch c.get("IsGlobe") {
	case "1":
	case "2":
		q.globe = true
	default:
		return q, false
	}
	q.sign = c.get("SignName")
	if q.anyKind = c.get("TemplateType") == ""; !q.anyKind {
		kind, err := strconv.Atoi(c.get("TemplateType"))
		if err != nil {
			return q, false
		}
		q.kind = TemplateType(kind)
	}
	q.page, q.size, ok = pageOf(c)
	return q, ok
}
