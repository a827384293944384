package aliyunsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// An account is an Account made ready for lookups.
type account struct {
	*Account
	signs     map[string]*Sign
	templates map[string]*template
	rates     rates
}

// A credential is a key and whose it is.
type credential struct {
	key     *Key
	account *account
	macs    sync.Pool // of HMAC-SHA256 under the key's secret: setting one up costs more than using it
}

func newCredential(k *Key, a *account) *credential {
	return &credential{key: k, account: a,
		macs: sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(k.Secret)) }}}
}

// A template is a Template cut into literals and variables.
type template struct {
	*Template
	literals  []string // one more than variables
	variables []variable
	length    int // of the literals, in characters
}

// A variable is one place in a template.
type variable struct {
	name string
	rule Variable
}

// newRegistry compiles accounts; an error names the account and what is wrong with it.
func newRegistry(accounts []Account) (map[string]*credential, error) {
	keys := map[string]*credential{}
	for i := range accounts {
		a, err := newAccount(&accounts[i])
		if err != nil {
			return nil, fmt.Errorf("account %q: %w", accounts[i].Name, err)
		}
		for j := range a.Keys {
			k := &a.Keys[j]
			if k.ID == "" || k.Secret == "" {
				return nil, fmt.Errorf("account %q: a key lacks its id or its secret", a.Name)
			}
			if _, ok := keys[k.ID]; ok {
				return nil, fmt.Errorf("account %q: a key id is there twice", a.Name)
			}
			keys[k.ID] = newCredential(k, a)
		}
	}
	return keys, nil
}

func newAccount(a *Account) (*account, error) {
	out := &account{Account: a, signs: map[string]*Sign{}, templates: map[string]*template{}}
	for i := range a.Signs {
		out.signs[a.Signs[i].Name] = &a.Signs[i]
	}
	for i := range a.Templates {
		t, err := newTemplate(&a.Templates[i])
		if err != nil {
			return nil, fmt.Errorf("template %q: %w", a.Templates[i].Code, err)
		}
		out.templates[t.Code] = t
	}
	return out, nil
}

func newTemplate(t *Template) (*template, error) {
	out := &template{Template: t}
	rest := t.Content
	for {
		literal, tail, ok := strings.Cut(rest, "${")
		out.literals = append(out.literals, literal)
		out.length += utf8.RuneCountInString(literal)
		if !ok {
			break
		}
		name, after, ok := strings.Cut(tail, "}")
		if !ok || name == "" {
			return nil, fmt.Errorf("a variable without a name or an end")
		}
		out.variables = append(out.variables, variable{name, t.Variables[name].withDefaults()})
		rest = after
	}
	for name := range t.Variables {
		if !strings.Contains(t.Content, "${"+name+"}") {
			return nil, fmt.Errorf("a rule for the variable %q, which is not in the content", name)
		}
	}
	return out, nil
}

func (v Variable) withDefaults() Variable {
	captcha := v.Attribute == AttributeNumberCaptcha || v.Attribute == AttributeCharacters
	if v.Min == 0 {
		v.Min = 1
		if captcha {
			v.Min = 4
		}
	}
	if v.Max == 0 {
		v.Max = 35
		if captcha {
			v.Max = 6
		}
	}
	return v
}

// maxContent is the length of signature and text that the template may have.
func (t *template) maxContent() int {
	if t.MaxContent > 0 {
		return t.MaxContent
	}
	return 500
}

// render is the text that the phone shows.
func (t *template) render(sign string, params []param) string {
	var b strings.Builder
	b.WriteString("【" + sign + "】")
	for i, literal := range t.literals {
		b.WriteString(literal)
		if i < len(t.variables) {
			value, _ := find(params, t.variables[i].name)
			b.WriteString(value)
		}
	}
	return b.String()
}

// find returns the last parameter called name: where a key is there twice, the last one counts.
func find(params []param, name string) (string, bool) {
	for i := len(params) - 1; i >= 0; i-- {
		if params[i].name == name {
			return params[i].value, true
		}
	}
	return "", false
}

// parts is how many messages a text of that many characters is charged as.
func parts(characters int) int {
	if characters <= 70 {
		return 1
	}
	return (characters + 66) / 67
}
