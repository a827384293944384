package template_test

import (
	"errors"
	"fmt"

	"smppbridge/bridge/template"
)

// A bank's legacy system sends free text. Two templates were approved for it, and
// one that takes anything serves as the last resort.
func Example() {
	set, err := template.New([]template.Template{
		{
			Code: "SMS_1001", Text: "您的验证码是${code}，5分钟内有效。",
			Vars: map[string]template.VarRule{"code": {Kind: template.Digits, Min: 4, Max: 6}},
		},
		{
			Code: "SMS_1002", Text: "您的账户于${time}支出${amount}元，余额${balance}元。",
			Vars: map[string]template.VarRule{"time": {Kind: template.Time}, "amount": {Kind: template.Number}, "balance": {Kind: template.Number}},
		},
		{
			Code: "SMS_1003", Text: "${content}",
			Vars: map[string]template.VarRule{"content": {Kind: template.Free}},
		},
	}, []string{"速通银行"})
	if err != nil {
		fmt.Println(err)
		return
	}

	// This account may use the first two only, and signs as the bank unless the text says otherwise.
	allowed, err := set.Subset([]string{"SMS_1001", "SMS_1002"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	opts := template.Options{Sign: "速通银行", Allowed: allowed}

	for _, text := range []string{
		"【速通银行】您的验证码是493021，5分钟内有效。",
		"您的账户于11月21日10:30支出1,280.50元，余额96.00元。",
		"您的验证码是49302A，5分钟内有效。",
		"本行将于今晚维护。",
	} {
		m, err := set.Match(text, opts)
		var miss *template.NoMatch
		if errors.As(err, &miss) {
			fmt.Println(miss) // safe to log: nothing of the text is in it
			continue
		}
		fmt.Println(m.SignName, m.Code, m.Params)
	}
	// Output:
	// 速通银行 SMS_1001 {"code":"493021"}
	// 速通银行 SMS_1002 {"time":"11月21日10:30","amount":"1,280.50","balance":"96.00"}
	// variable_refused: template SMS_1001, variable code
	// no_template
}

// Explain is for a person who wonders why a text was refused.
func ExampleSet_Explain() {
	set, err := template.New([]template.Template{
		{Code: "SMS_1001", Text: "您的验证码是${code}，5分钟内有效。"},
		{Code: "SMS_1002", Text: "尊敬的${name}，您的订单已发货。"},
	}, []string{"速通银行"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(set.Explain("【速通银行】您的验证码为493021，5分钟内有效。", template.Options{}, 1))
	// Output:
	// no match: no_template
	// signature: 速通银行
	// text: "您的验证码为493021，5分钟内有效。"
	// - SMS_1001 "您的验证码是${code}，5分钟内有效。": from character 6 on it has "是", the text "为493021，5分钟内"…
}

// A client may name its template and send the values alone.
func ExampleSet_Params() {
	set, err := template.New([]template.Template{{Code: "SMS_1001", Text: "您的验证码是${code}，5分钟内有效。"}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	params, err := set.Params("SMS_1001", map[string]string{"code": `4"9`})
	fmt.Println(params, err)
	_, err = set.Params("SMS_1001", nil)
	fmt.Println(err)
	// Output:
	// {"code":"4\"9"} <nil>
	// missing_variable: template SMS_1001, variable code
}
