package store

import (
	"fmt"
	"math/rand/v2"
	"reflect"
)

// allCommands returns an empty command of each kind, in order of Kind.
func allCommands() []Command {
	return []Command{
		&Accept{}, &Begin{}, &Finish{}, &Report{}, &Close{}, &Delivered{}, &NodeUp{}, &BindOpen{}, &BindClose{}, &Lead{},
		&PutPolicy{}, &Purge{}, &Found{}, &Replace{},
		&Genesis{}, &NodeDown{}, &Raise{}, &Mark{}, &Verify{}, &Recover{}, &Put{}, &Incoming{},
	}
}

// randomCommand fills a command with values that Encode keeps as they are.
func randomCommand(rnd *rand.Rand, c Command) Command {
	fill(rnd, reflect.ValueOf(c).Elem())
	switch c := c.(type) {
	case *Accept:
		for i := range c.Messages {
			c.Messages[i].Charges = rnd.IntN(len(c.Charges)+1) - 1
			c.Messages[i].Message.Code = "" // of final messages
		}
	case *Replace:
		c.Message.Code = ""
	case *Put:
		for i := range c.Items {
			if !c.Items[i].valid() {
				c.Items[i] = PutItem{}
			}
		}
	case *Recover:
		c.Leap = min(c.Leap, maxLeap)
	case *Begin:
		for i := range c.Attempts {
			a := &c.Attempts[i]
			a.Charges = rnd.IntN(len(c.Charges)+1) - 1
			for j := range a.Members {
				a.Members[j].Charges = rnd.IntN(len(c.Charges)+1) - 1
			}
			if !c.apart(a) {
				a.Charges = -1
			}
		}
	}
	return c
}

// fill gives v a random value: boundaries and zeros often, lists short.
func fill(rnd *rand.Rand, v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *Wants:
		*p = Wants(rnd.IntN(4))
		return
	case *Shape:
		*p = Shape(rnd.IntN(int(ShapeDec10) + 1))
		return
	case *OutcomeKind:
		*p = OutcomeKind(1 + rnd.IntN(4))
		return
	case *Rule:
		*p = Rule{
			Kind: RuleKind(1 + rnd.IntN(4)), Limit: rnd.Uint32(), Burst: rnd.Uint32(), Period: rnd.Int64N(maxPeriod + 1),
			Offset: rnd.Int64N(2*maxPeriod+1) - maxPeriod, Guard: rnd.Int64N(maxPeriod + 1),
		}
		return
	case *[]Charge:
		*p = nil
		for i := range rnd.IntN(3) {
			c := Charge{Key: fmt.Sprintf("key/%d", i)}
			fill(rnd, reflect.ValueOf(&c.Amount).Elem())
			fill(rnd, reflect.ValueOf(&c.Rules).Elem())
			*p = append(*p, c)
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			fill(rnd, f)
			if v.Type().Field(i).Name == "Err" && f.Len() > maxErr {
				f.SetString(f.String()[:maxErr])
			}
		}
		if m, ok := v.Addr().Interface().(*Message); ok && m.Digest == [16]byte{} {
			m.DedupeFor = 0
		}
	case reflect.Array:
		for i := 0; i < v.Len() && rnd.IntN(8) > 0; i++ { // no octet, some or all
			fill(rnd, v.Index(i))
		}
	case reflect.Slice:
		v.SetZero()
		if n := rnd.IntN(4); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(rnd, v.Index(i))
			}
		}
	case reflect.String:
		b := make([]byte, rnd.IntN(20))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		v.SetString(string(b))
	case reflect.Bool:
		v.SetBool(rnd.IntN(2) == 0)
	case reflect.Int64:
		v.SetInt([]int64{0, 1, t0, maxTime, rnd.Int64N(maxTime)}[rnd.IntN(5)])
	case reflect.Int, reflect.Int8: // the caller's
	default:
		v.SetUint(v.Convert(reflect.TypeFor[uint64]()).Uint())
		limit := ^uint64(0) >> (64 - v.Type().Bits())
		v.SetUint([]uint64{0, 1, limit, rnd.Uint64() & limit, rnd.Uint64() & limit & 127}[rnd.IntN(5)])
	}
}
