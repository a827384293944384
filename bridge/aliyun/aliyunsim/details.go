package aliyunsim

import (
	"strconv"
	"time"
)

// detailDays is how far back QuerySendDetails looks.
const detailDays = 30

// Values of SendStatus.
const (
	sendWaiting = 1
	sendFailed  = 2
	sendDone    = 3
)

// A detailQuery is a decoded QuerySendDetails.
type detailQuery struct {
	phone      phone
	from, to   int64 // Unix ms: the day at UTC+8
	bizID      string
	size, page int
}

// querySendDetails lists what one phone number was sent on one day, youngest first. The number must be spelled
// as in reports; another spelling finds nothing. A row shows after Config.DetailLag, or later (FaultReportUnlisted), and has no BizId.
func (s *Server) querySendDetails(c *call) (answer, *apiError) {
	q, ok := s.detailQuery(c)
	if !ok {
		return answer{}, invalidParameters()
	}
	now := s.now()
	rows := s.ledger.ofPhone(q.phone, func(r *record) (take, more bool) {
		take = r.at >= q.from && r.at < q.to && r.listed <= now.UnixMilli() && r.account == c.account &&
			(q.bizID == "" || q.bizID == bizID(r.biz))
		return take, r.at >= q.from
	})
	total := len(rows)
	rows = rows[min(total, (q.page-1)*q.size):min(total, q.page*q.size)]

	b := make([]byte, 0, 256*(len(rows)+1))
	b = append(b, `{"TotalCount":`...)
	b = strconv.AppendInt(b, int64(total), 10)
	b = append(b, `,"Message":"OK","RequestId":"`...)
	b = append(b, c.id...)
	b = append(b, `","SmsSendDetailDTOs":{"SmsSendDetailDTO":[`...)
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendDetail(b, &rows[i], now)
	}
	b = append(b, `]},"Code":"OK"}`...)
	return answer{status: 200, body: b, code: codeOK}, nil
}

// detailQuery decodes c. A spelling of the phone number that rows do not have is not an error.
func (s *Server) detailQuery(c *call) (q detailQuery, ok bool) {
	if number := c.get("PhoneNumber"); len(number) <= 15 {
		q.phone, _ = digits(number)
	}
	date, err := time.Parse("20060102", c.get("SendDate"))
	if err != nil {
		return q, false
	}
	today := beijing(s.now()).Truncate(day)
	if age := today.Sub(date); age < 0 || age > detailDays*day {
		return q, false
	}
	q.from = date.Add(-8 * time.Hour).UnixMilli()
	q.to = q.from + day.Milliseconds()
	q.bizID = c.get("BizId")
	q.size, err = strconv.Atoi(c.get("PageSize"))
	if err != nil || q.size < 1 || q.size > 50 {
		return q, false
	}
	q.page, err = strconv.Atoi(c.get("CurrentPage"))
	return q, err == nil && q.page >= 1 && q.page <= 1<<20
}

// appendDetail appends a row as it stands at now.
func appendDetail(b []byte, r *record, now time.Time) []byte {
	status := sendWaiting
	if final := r.errCode != "" && r.due <= now.UnixMilli(); final {
		if status = sendFailed; r.errCode == codeDelivered {
			status = sendDone
		}
	}
	b = append(b, `{"SendDate":"`...)
	b = beijing(time.UnixMilli(r.at)).AppendFormat(b, timeFormat)
	b = append(b, `","SendStatus":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	if status != sendWaiting {
		b = append(b, `,"ReceiveDate":"`...)
		b = beijing(time.UnixMilli(r.due)).AppendFormat(b, timeFormat)
		b = append(b, `","ErrCode":`...)
		b = appendJSON(b, r.errCode)
	}
	b = append(b, `,"TemplateCode":`...)
	b = appendJSON(b, r.template.Code)
	b = append(b, `,"Content":`...)
	b = appendJSON(b, r.text())
	b = append(b, `,"PhoneNum":"`...)
	b = strconv.AppendUint(b, uint64(r.phone), 10)
	b = append(b, '"')
	if r.outID != "" {
		b = append(b, `,"OutId":`...)
		b = appendJSON(b, r.outID)
	}
	return append(b, '}')
}
