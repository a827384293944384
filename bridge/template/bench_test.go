package template

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// words make up the benchmarks' templates: what Chinese notices are made of.
var words = strings.Fields(`您的 账户 订单 验证码 快递 包裹 已发货 已签收 请注意 查收 尊敬的 客户 会员 余额 本次 消费
	支付 成功 失败 预约 时间 地点 医院 门诊 挂号 提醒 登录 密码 修改 申请 审核 通过 拒绝 退款 到账 银行 尾号 信用卡 账单 还款
	日期 活动 优惠 积分 兑换 航班 车次 座位 出发 到达 课程 老师 学生 家长 通知 会议 系统 维护 服务 电话 联系 感谢 使用`)

// variety makes n different templates of 2 to 3 variables, like those of a large account.
func variety(n int) []Template {
	r := rand.New(rand.NewPCG(1, 2))
	phrase := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(words[r.IntN(len(words))])
		}
		return b.String()
	}
	vars := map[string]VarRule{"code": {Kind: Digits, Min: 4, Max: 8}, "name": {}, "time": {Kind: Time}}
	templates := make([]Template, n)
	for i := range templates {
		text := phrase(2+r.IntN(4)) + "${code}，" + phrase(2+r.IntN(4)) + "${name}" + phrase(1+r.IntN(4)) + "。"
		rules := map[string]VarRule{"code": vars["code"], "name": vars["name"]}
		if r.IntN(2) == 0 {
			text = phrase(3) + "${time}，" + text
			rules["time"] = vars["time"]
		}
		templates[i] = Template{Code: fmt.Sprintf("SMS_%d", 100000000+i), Text: text, Vars: rules}
	}
	return templates
}

// alike makes n templates that differ in one place only.
func alike(n int, format string) []Template {
	templates := make([]Template, n)
	for i := range templates {
		mark := words[i%50] + words[i/50%50] + words[i/2500%50]
		templates[i] = Template{Code: fmt.Sprintf("SMS_%d", i), Text: fmt.Sprintf(format, mark)}
	}
	return templates
}

var sample = strings.NewReplacer("${code}", "482913", "${name}", "张三丰", "${time}", "11月21日10:30", "${a}", "甲乙丙", "${b}", "丁")

// texts are what templates 0, 7, 14, … are sent as, at most 512 of them.
func texts(templates []Template) (hits, misses []string) {
	for i := 0; i < len(templates) && len(hits) < 512; i += 7 {
		text := "【阿里云】" + sample.Replace(templates[i].Text)
		hits = append(hits, text)
		misses = append(misses, strings.TrimSuffix(text, "。")+"！") // differs at the very end
	}
	return hits, misses
}

func runMatch(b *testing.B, set *Set, texts []string, hit bool) {
	b.Helper()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := set.Match(texts[i], Options{}); (err == nil) != hit {
			b.Fatalf("Match of text %d: %v", i, err)
		}
		if i++; i == len(texts) {
			i = 0
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		templates := variety(n)
		hits, misses := texts(templates)
		set := mustNew(b, templates)
		b.Run(fmt.Sprintf("templates=%d/hit", n), func(b *testing.B) { runMatch(b, set, hits, true) })
		b.Run(fmt.Sprintf("templates=%d/miss", n), func(b *testing.B) { runMatch(b, set, misses, false) })
	}
}

// BenchmarkMatchAlike is for sets that share all but one place.
func BenchmarkMatchAlike(b *testing.B) {
	for _, set := range []struct{ differ, format string }{
		{"suffix", "尊敬的客户${a}您好，您的订单${b}，请您%s。"},
		{"prefix", "%s的客户${a}您好，您的订单${b}，请您查收。"},
		{"middle", "尊敬的客户${a}您好，%s的订单${b}，请您查收。"},
	} {
		templates := alike(10000, set.format)
		hits, _ := texts(templates)
		misses := []string{"【阿里云】" + sample.Replace(fmt.Sprintf(set.format, "没有的标记"))}
		compiled := mustNew(b, templates)
		b.Run("differ="+set.differ+"/hit", func(b *testing.B) { runMatch(b, compiled, hits, true) })
		b.Run("differ="+set.differ+"/miss", func(b *testing.B) { runMatch(b, compiled, misses, false) })
	}
}

// permutations makes the templates that the index cannot tell apart: the same
// literals in every order, with the same prefix and suffix.
func permutations(n int) []Template {
	marks := words[:n]
	var templates []Template
	var permute func(used int, text string)
	permute = func(used int, text string) {
		if used == 1<<n-1 {
			templates = append(templates, Template{Code: fmt.Sprintf("SMS_%d", len(templates)), Text: "通知" + text + "${z}完", Vars: map[string]VarRule{"z": {Kind: Digits}}})
			return
		}
		for i, mark := range marks {
			if used&(1<<i) == 0 {
				permute(used|1<<i, fmt.Sprintf("%s${v%d}%s", text, i, mark))
			}
		}
	}
	permute(0, "")
	return templates
}

// BenchmarkMatchPermuted is the worst that a set can do to the index: 5,040
// templates that are all candidates for the text.
func BenchmarkMatchPermuted(b *testing.B) {
	set := mustNew(b, permutations(7))
	body := "通知"
	for _, mark := range words[:7] {
		body += "x" + mark
	}
	b.Run("hit", func(b *testing.B) { runMatch(b, set, []string{"【阿里云】" + body + "1完"}, true) })
	b.Run("miss", func(b *testing.B) { runMatch(b, set, []string{"【阿里云】" + body + "x完"}, false) })
}

// separators is a template of k variables between commas and a text of n
// characters that fits its literals in very many ways and its rules in none: the
// only variable that would take the letter has no room for what follows it.
func separators(k, n int) (Template, string) {
	t := Template{Code: "SMS_1", Vars: map[string]VarRule{}}
	for i := range k {
		name := fmt.Sprintf("v%d", i)
		t.Text += "${" + name + "}，"
		t.Vars[name] = VarRule{Kind: Free}
	}
	t.Vars[fmt.Sprintf("v%d", k-1)] = VarRule{Kind: Digits, Max: 3}
	return t, strings.Repeat("一，", n/2-1) + "x，"
}

// BenchmarkBacktrack shows that the cost per character does not depend on how
// many there are: matching is linear in the text.
func BenchmarkBacktrack(b *testing.B) {
	for _, k := range []int{2, 8, 32} {
		for _, n := range []int{500, 1000, 2000, 4000} {
			t, text := separators(k, n)
			set := mustNew(b, []Template{t})
			b.Run(fmt.Sprintf("variables=%d/chars=%d", k, n), func(b *testing.B) {
				runMatch(b, set, []string{"【阿里云】" + text}, false)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n*k), "ns/char/variable")
			})
		}
	}
}

// BenchmarkRegexp is what the index is worth: one regular expression per template, tried in turn.
func BenchmarkRegexp(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		templates := variety(n)
		hits, _ := texts(templates)
		variable := regexp.MustCompile(`\\\$\\\{\w+\\\}`)
		var compiled []*regexp.Regexp
		for _, t := range templates {
			compiled = append(compiled, regexp.MustCompile("^"+variable.ReplaceAllString(regexp.QuoteMeta(t.Text), "(.{1,35}?)")+"$"))
		}
		b.Run(fmt.Sprintf("templates=%d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				text := strings.TrimPrefix(hits[i%len(hits)], "【阿里云】")
				i++
				found := false
				for _, re := range compiled {
					if found = re.FindStringSubmatch(text) != nil; found {
						break
					}
				}
				if !found {
					b.Fatal("no match")
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	templates := variety(10000)
	b.ReportAllocs()
	for b.Loop() {
		mustNew(b, templates)
	}
}
