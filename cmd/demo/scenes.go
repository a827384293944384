package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutext"
)

// noTemplate is ESME_RINVDFTMSGID: no approved template matches the text.
const noTemplate = 0x63

// A scene is one thing an ESME does, with what must come of it.
type scene struct {
	title string
	play  func(ctx context.Context, d *daemon) error
}

var scenes = []scene{
	{"a one-time code, from account otp", oneTimeCode},
	{"a notice with its signature in the text, from account bank", notice},
	{"a long Chinese text in parts, from account test", longText},
	{"a text that no template matches, from account otp", unmatched},
}

func oneTimeCode(ctx context.Context, d *daemon) error {
	return single(ctx, d, "otp", "13800138001", "您的验证码是471153，5分钟内有效，请勿泄露。",
		sent{Sign: "阿里云测试", Template: "SMS_100000001", Params: `{"code":"471153"}`})
}

func notice(ctx context.Context, d *daemon) error {
	return single(ctx, d, "bank", "13800138002", "【速通银行】尊敬的王女士，您的订单A1042已发货，请注意查收。",
		sent{Sign: "速通银行", Template: "SMS_100000002", Params: `{"name":"王女士","order":"A1042"}`})
}

// single sends one text and wants its receipt, and exactly one call of the API with want.
func single(ctx context.Context, d *daemon, account, phone, text string, want sent) error {
	e, err := bind(ctx, d.smpp, account)
	if err != nil {
		return err
	}
	defer e.tc.Close()
	fmt.Printf("   -> submit_sm        %s\n", text)
	id, err := e.submit(phone, pdutext.UCS2(text))
	if err != nil {
		return err
	}
	if err := e.await(ctx, id); err != nil {
		return err
	}
	want.Phone = phone
	return sentOnce(ctx, d, want)
}

func longText(ctx context.Context, d *daemon) error {
	const phone = "13800138003"
	text := strings.Repeat("这是一条很长的通知，分成几段发送，由网关合并为一条。", 8)
	e, err := bind(ctx, d.smpp, "test")
	if err != nil {
		return err
	}
	defer e.tc.Close()
	fmt.Printf("   -> submit_sm        %s… (%d characters)\n", string([]rune(text)[:20]), len([]rune(text)))
	ids, err := e.submitLong(phone, pdutext.UCS2(text))
	if err != nil {
		return err
	}
	if len(ids) < 3 {
		return fmt.Errorf("%d parts, want at least 3", len(ids))
	}
	if err := e.await(ctx, ids...); err != nil {
		return err
	}
	params, err := json.Marshal(map[string]string{"content": text})
	if err != nil {
		return err
	}
	return sentOnce(ctx, d, sent{Sign: "阿里云测试", Template: "SMS_100000003", Params: string(params), Phone: phone})
}

func unmatched(ctx context.Context, d *daemon) error {
	const phone = "13800138004"
	e, err := bind(ctx, d.smpp, "otp")
	if err != nil {
		return err
	}
	defer e.tc.Close()
	fmt.Println("   -> submit_sm        hello from 2004")
	id, err := e.submit(phone, pdutext.Raw("hello from 2004"))
	var status pdu.Status
	switch {
	case err == nil:
		return fmt.Errorf("accepted as %s, want ESME_RINVDFTMSGID", id)
	case !errors.As(err, &status) || status != noTemplate:
		return fmt.Errorf("refused with %w, want ESME_RINVDFTMSGID", err)
	}
	list, err := d.executed(ctx, phone)
	if err != nil {
		return err
	}
	if len(list) != 0 {
		return fmt.Errorf("the API was called %d times for a refused message", len(list))
	}
	return nil
}

// sentOnce wants exactly one execution for the phone, and that it was want.
func sentOnce(ctx context.Context, d *daemon, want sent) error {
	list, err := d.executed(ctx, want.Phone)
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return fmt.Errorf("the API sent %d messages, want 1", len(list))
	}
	if list[0] != want {
		return fmt.Errorf("the API was asked for %+v, want %+v", list[0], want)
	}
	fmt.Printf("   == the API sent     %s %s\n", want.Template, want.Sign)
	return nil
}
