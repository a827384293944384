package aliyunsim

import (
	"fmt"
	"slices"
	"strconv"
)

// codeDelivered is the err_code of a delivered message.
const codeDelivered = "DELIVERED"

// outcomes finds the Outcome of a phone number by its last digits.
type outcomes struct {
	lengths  []int // of the suffixes, longest first
	bySuffix map[string]Outcome
}

func newOutcomes(m map[string]Outcome) (outcomes, error) {
	out := outcomes{bySuffix: m}
	for suffix := range m {
		if _, ok := digits(suffix); !ok || suffix == "" {
			return out, fmt.Errorf("outcome of %q: the suffix of a phone number is digits", suffix)
		}
		if !slices.Contains(out.lengths, len(suffix)) {
			out.lengths = append(out.lengths, len(suffix))
		}
	}
	slices.Sort(out.lengths)
	slices.Reverse(out.lengths)
	return out, nil
}

func (o outcomes) of(p phone) Outcome {
	if len(o.lengths) == 0 {
		return Outcome{}
	}
	var buf [20]byte
	number := strconv.AppendUint(buf[:0], uint64(p), 10)
	for _, n := range o.lengths {
		if n > len(number) {
			continue
		}
		if out, ok := o.bySuffix[string(number[len(number)-n:])]; ok {
			return out
		}
	}
	return Outcome{}
}

// hasSuffix reports whether the number ends in suffix; every number ends in the empty one.
func (p phone) hasSuffix(suffix string) bool {
	var buf [20]byte
	number := strconv.AppendUint(buf[:0], uint64(p), 10)
	return len(suffix) <= len(number) && string(number[len(number)-len(suffix):]) == suffix
}

// errMessage is the err_msg that goes with an err_code.
func errMessage(code string) string {
	switch code {
	case codeDelivered:
		return "用户接收成功"
	case "MOBILE_NOT_ON_SERVICE":
		return "停机、空号、暂停服务、关机、不在服务区"
	case "INVALID_NUMBER":
		return "号码状态异常"
	case "MOBILE_IN_BLACK":
		return "手机号在黑名单"
	case "CONTENT_KEYWORD":
		return "内容关键字拦截"
	case "SP_UNKNOWN_ERROR":
		return "运营商未知错误"
	}
	return code
}
