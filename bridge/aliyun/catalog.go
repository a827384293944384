package aliyun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	dysms "github.com/alibabacloud-go/dysmsapi-20170525/v3/client"
	"github.com/alibabacloud-go/tea/tea"

	"smppbridge/bridge"
)

const (
	templateListAction = "QuerySmsTemplateList"
	signListAction     = "QuerySmsSignList"
	listPageSize       = 50                     // the API's maximum
	listEvery          = 200 * time.Millisecond // between calls: the API takes 10 a second of an account
	maxListPages       = 1000
)

type (
	templateItem = dysms.QuerySmsTemplateListResponseBodySmsTemplateList
	signItem     = dysms.QuerySmsSignListResponseBodySmsSignList
)

// Catalog returns all templates and signatures of the account that a route belongs to (QuerySmsTemplateList,
// QuerySmsSignList). It takes its time: some calls a second.
func (c *Client) Catalog(ctx context.Context, routeName string) (bridge.Catalog, error) {
	r := c.route(routeName)
	if r == nil {
		return bridge.Catalog{}, &callError{action: templateListAction, code: codeNoRoute}
	}
	var out bridge.Catalog
	err := pages(ctx, templateListAction, func(n int32) (int, int64, error) {
		items, total, err := r.templatePage(n)
		for _, it := range items {
			if it != nil {
				out.Templates = append(out.Templates, templateFrom(it))
			}
		}
		return len(items), total, err
	})
	if err == nil {
		err = pages(ctx, signListAction, func(n int32) (int, int64, error) {
			items, total, err := r.signPage(n)
			for _, it := range items {
				if it != nil {
					out.Signatures = append(out.Signatures, signFrom(it))
				}
			}
			return len(items), total, err
		})
	}
	if err != nil {
		return bridge.Catalog{}, denied(err)
	}
	// A list that changes while its pages are read may have an item twice. The order is ours, so that what has not changed
	// reads the same.
	slices.SortStableFunc(out.Templates, func(a, b bridge.CatalogTemplate) int { return strings.Compare(a.Code, b.Code) })
	out.Templates = slices.CompactFunc(out.Templates, func(a, b bridge.CatalogTemplate) bool { return a.Code == b.Code })
	slices.SortStableFunc(out.Signatures, func(a, b bridge.CatalogSignature) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.State), string(b.State)))
	})
	out.Signatures = slices.Compact(out.Signatures)
	return out, nil
}

// pages reads a list page by page. An answer with fewer items than it counts is not the whole list, and what it does not
// show must not pass for withdrawn.
func pages(ctx context.Context, action string, page func(number int32) (items int, total int64, err error)) error {
	seen := int64(0)
	for n := int32(1); n <= maxListPages; n++ {
		if err := pause(ctx, listEvery); err != nil {
			return err
		}
		items, total, err := page(n)
		if err != nil {
			return err
		}
		seen += int64(items)
		switch {
		case seen >= total:
			return nil
		case items == 0:
			return &callError{action: action, code: codeBadAnswer, detail: "fewer items than TotalCount"}
		}
	}
	return &callError{action: action, code: codeBadAnswer, detail: "more pages than an account can have"}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// denied marks the error of an account that may send and may not list.
func denied(err error) error {
	if e := new(callError); errors.As(err, &e) && (e.status == http.StatusForbidden || slices.Contains(
		[]string{"isp.RAM_PERMISSION_DENY", "Forbidden", "NoPermission"}, e.code)) {
		return fmt.Errorf("%w: %w", bridge.ErrCatalogDenied, err)
	}
	return err
}

func (r *route) templatePage(n int32) (items []*templateItem, total int64, err error) {
	err = r.query(templateListAction, func(sdk *dysms.Client) (*int32, *string, error) {
		response, err := sdk.QuerySmsTemplateListWithOptions(
			&dysms.QuerySmsTemplateListRequest{PageIndex: tea.Int32(n), PageSize: tea.Int32(listPageSize)}, r.options)
		if err != nil || response == nil || response.Body == nil {
			return nil, nil, err
		}
		b := response.Body
		items, total = b.SmsTemplateList, counted(b.TotalCount)
		return response.StatusCode, b.Code, nil
	})
	return items, total, cmp.Or(err, uncounted(templateListAction, total))
}

func (r *route) signPage(n int32) (items []*signItem, total int64, err error) {
	err = r.query(signListAction, func(sdk *dysms.Client) (*int32, *string, error) {
		response, err := sdk.QuerySmsSignListWithOptions(
			&dysms.QuerySmsSignListRequest{PageIndex: tea.Int32(n), PageSize: tea.Int32(listPageSize)}, r.options)
		if err != nil || response == nil || response.Body == nil {
			return nil, nil, err
		}
		b := response.Body
		items, total = b.SmsSignList, counted(b.TotalCount)
		return response.StatusCode, b.Code, nil
	})
	return items, total, cmp.Or(err, uncounted(signListAction, total))
}

// counted is the TotalCount of an answer, -1 where it has none.
func counted(total *int64) int64 {
	if total == nil {
		return -1
	}
	return *total
}

func uncounted(action string, total int64) error {
	if total < 0 {
		return &callError{action: action, code: codeBadAnswer, detail: "no TotalCount"}
	}
	return nil
}

// query makes one call that reads, and judges its answer.
func (r *route) query(action string, call func(*dysms.Client) (status *int32, code *string, err error)) (err error) {
	defer func() {
		if recover() != nil { // see sendSms
			err = &callError{action: action, code: codePanic}
		}
	}()
	keys, err := r.keys()
	if err != nil {
		return &callError{action: action, code: codeNoCredentials, detail: err.Error()}
	}
	sdk := r.copySDK()
	sdk.Credential = keys.sdk()
	status, code, err := call(sdk)
	if err != nil {
		f := r.classify(err, "")
		if refreshes(f.code) {
			r.refreshKeys()
		}
		return &callError{action, builtin.lookup(f.code, f.status).code, f.status, f.detail}
	}
	switch said := foreignCode(tea.StringValue(code)); {
	case said == codeOK && tea.Int32Value(status) == http.StatusOK:
		return nil
	case said == "" || said == codeOK:
		return &callError{action: action, code: codeBadAnswer}
	default:
		return &callError{action: action, code: builtin.lookup(said, 0).code}
	}
}

func templateFrom(it *templateItem) bridge.CatalogTemplate {
	t := bridge.CatalogTemplate{
		Code: tea.StringValue(it.TemplateCode), Name: tea.StringValue(it.TemplateName), Text: tea.StringValue(it.TemplateContent),
		Type: templateType(it), State: auditState(tea.StringValue(it.AuditStatus)),
	}
	if it.Reason != nil && !t.State.Passed() {
		t.Reason = joined(tea.StringValue(it.Reason.RejectInfo), tea.StringValue(it.Reason.RejectSubInfo))
	}
	return t
}

func signFrom(it *signItem) bridge.CatalogSignature {
	s := bridge.CatalogSignature{Name: tea.StringValue(it.SignName), State: auditState(tea.StringValue(it.AuditStatus))}
	if it.Reason != nil && !s.State.Passed() {
		s.Reason = joined(tea.StringValue(it.Reason.RejectInfo), tea.StringValue(it.Reason.RejectSubInfo))
	}
	return s
}

func joined(a, b string) string {
	return strings.TrimSpace(strings.TrimSpace(a) + " " + strings.TrimSpace(b))
}

// templateType names the kind of a template as the policy's classes are called. One answer has two numberings of it
// (aliyun-facts, 1); the outer one is preferred, because templates are submitted by it.
func templateType(it *templateItem) string {
	names := map[int32]string{0: "otp", 1: "notice", 2: "promotion", 3: "international"}
	number := it.OuterTemplateType
	if number == nil {
		names, number = map[int32]string{0: "notice", 1: "promotion", 2: "otp", 6: "international"}, it.TemplateType
	}
	if number != nil && names[*number] != "" {
		return names[*number]
	}
	return "other"
}

// auditState reads an AuditStatus as the list APIs spell it, one of them in two ways.
func auditState(s string) bridge.AuditState {
	switch s {
	case "AUDIT_STATE_PASS":
		return bridge.AuditPassed
	case "AUDIT_STATE_INIT":
		return bridge.AuditPending
	case "AUDIT_STATE_NOT_PASS":
		return bridge.AuditRejected
	case "AUDIT_STATE_CANCEL", "AUDIT_SATE_CANCEL":
		return bridge.AuditWithdrawn
	}
	return bridge.AuditOther
}
