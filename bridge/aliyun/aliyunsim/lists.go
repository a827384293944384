package aliyunsim

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// listDate is when everything in the registry was submitted.
const listDate = "2024-01-01 10:00:00"

// A listAnswer is what both list APIs return, one of the lists being there.
type listAnswer struct {
	SmsTemplateList []templateItem `json:",omitempty"`
	SmsSignList     []signItem     `json:",omitempty"`
	TotalCount      int
	CurrentPage     int
	PageSize        int
	Message         string
	RequestId       string
	Code            string
}

type templateItem struct {
	TemplateCode      string
	TemplateName      string
	TemplateContent   string
	TemplateType      int // numbered in this API's own way
	OuterTemplateType int
	AuditStatus       Status
	CreateDate        string
	OrderId           string
	Reason            rejection
}

type signItem struct {
	SignName     string
	AuditStatus  Status
	BusinessType string
	CreateDate   string
	OrderId      string
	Reason       rejection
}

// A rejection says why something was not approved.
type rejection struct {
	RejectDate    string `json:",omitempty"`
	RejectInfo    string `json:",omitempty"`
	RejectSubInfo string `json:",omitempty"`
}

func (s *Server) querySmsTemplateList(c *call) (answer, *apiError) {
	page, size, ok := pageOf(c)
	if !ok {
		return answer{}, invalidParameters()
	}
	all := s.listedTemplates(c.account)
	out := listAnswer{TotalCount: len(all)}
	for i := range pageBounds(len(all), page, size) {
		t := &all[(page-1)*size+i]
		item := templateItem{TemplateCode: t.Code, TemplateName: t.Name, TemplateContent: t.Content,
			TemplateType: t.Type.inList(), OuterTemplateType: int(t.Type), AuditStatus: t.Status.spelled(),
			CreateDate: listDate, OrderId: orderID(i), Reason: t.Status.reason()}
		out.SmsTemplateList = append(out.SmsTemplateList, item)
	}
	return out.answer(c, page, size)
}

func (s *Server) querySmsSignList(c *call) (answer, *apiError) {
	page, size, ok := pageOf(c)
	if !ok {
		return answer{}, invalidParameters()
	}
	all := s.listedSigns(c.account)
	out := listAnswer{TotalCount: len(all)}
	for i := range pageBounds(len(all), page, size) {
		g := &all[(page-1)*size+i]
		business := "通用"
		if g.CodeOnly {
			business = "验证码"
		}
		out.SmsSignList = append(out.SmsSignList, signItem{SignName: g.Name, AuditStatus: g.Status.spelled(),
			BusinessType: business, CreateDate: listDate, OrderId: orderID(i), Reason: g.Status.reason()})
	}
	return out.answer(c, page, size)
}

func (l listAnswer) answer(c *call, page, size int) (answer, *apiError) {
	l.CurrentPage, l.PageSize, l.Message, l.RequestId, l.Code = page, size, codeOK, c.id, codeOK
	body, err := json.Marshal(l)
	if err != nil {
		return answer{}, gatewayError(http.StatusInternalServerError, "InternalError", err.Error())
	}
	return answer{status: http.StatusOK, body: body, code: codeOK}, nil
}

// pageOf decodes PageIndex and PageSize, which have defaults.
func pageOf(c *call) (page, size int, ok bool) {
	page, size = 1, 10
	var err error
	if v := c.get("PageIndex"); v != "" {
		if page, err = strconv.Atoi(v); err != nil {
			return 0, 0, false
		}
	}
	if v := c.get("PageSize"); v != "" {
		if size, err = strconv.Atoi(v); err != nil {
			return 0, 0, false
		}
	}
	return page, size, page >= 1 && page <= 1<<20 && size >= 1 && size <= 50
}

// pageBounds is how many of n items are on a page.
func pageBounds(n, page, size int) int {
	return max(0, min(size, n-(page-1)*size))
}

func orderID(i int) string { return strconv.Itoa(2_400_000_000 + i) }

// inList is the type as QuerySmsTemplateList numbers it in TemplateType.
func (t TemplateType) inList() int {
	switch t {
	case TypeCode:
		return 2
	case TypeNotice:
		return 0
	case TypePromotion:
		return 1
	case TypeInternational:
		return 6
	}
	return int(t)
}

func (s Status) spelled() Status {
	if s == "" {
		return StatusPass
	}
	return s
}

func (s Status) reason() rejection {
	if s != StatusNotPass {
		return rejection{}
	}
	return rejection{RejectDate: listDate, RejectInfo: "文案内容不规范", RejectSubInfo: "请修改后重新提交"}
}
