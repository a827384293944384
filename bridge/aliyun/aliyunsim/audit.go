package aliyunsim

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// StatusGone is of a signature or template that was deleted: no list shows it.
const StatusGone Status = "GONE"

// An Audit is an audit state that a signature or template has from now on.
type Audit struct {
	Account  string `json:"account"`
	Template string `json:"template,omitempty"` // its code; either this
	Sign     string `json:"sign,omitempty"`     // or a signature's name
	Status   Status `json:"status"`             // StatusGone: it is deleted
}

// audits are the states that were set since the start, over those of the Config.
type audits struct {
	mu  sync.Mutex                       // one change at a time
	set atomic.Pointer[map[Audit]Status] // by Audit without Status; a map does not change
}

// of returns the state of what has the status was in the Config.
func (a *audits) of(key Audit, was Status) Status {
	if set := a.set.Load(); set != nil {
		if s, ok := (*set)[key]; ok {
			return s
		}
	}
	return was
}

func (s *Server) signStatus(a *account, g *Sign) Status {
	return s.audits.of(Audit{Account: a.Name, Sign: g.Name}, g.Status)
}

func (s *Server) templateStatus(a *account, t *Template) Status {
	return s.audits.of(Audit{Account: a.Name, Template: t.Code}, t.Status)
}

// SetAudit gives a signature or template another audit state: the auditors have decided, or somebody deleted it.
func (s *Server) SetAudit(v Audit) error {
	status := v.Status
	v.Status = ""
	if !slices.Contains([]Status{StatusInit, StatusPass, StatusNotPass, StatusCancel, StatusGone}, status) {
		return errors.New("unknown audit state")
	}
	if !s.has(v) {
		return errors.New("no such template or signature")
	}
	s.audits.mu.Lock()
	defer s.audits.mu.Unlock()
	next := map[Audit]Status{}
	if old := s.audits.set.Load(); old != nil {
		next = maps.Clone(*old)
	}
	next[v] = status
	s.audits.set.Store(&next)
	return nil
}

// has reports whether the Config has what v is about.
func (s *Server) has(v Audit) bool {
	for i := range s.cfg.Accounts {
		a := &s.cfg.Accounts[i]
		if a.Name != v.Account {
			continue
		}
		if v.Sign != "" {
			return v.Template == "" && slices.ContainsFunc(a.Signs, func(g Sign) bool { return g.Name == v.Sign })
		}
		return slices.ContainsFunc(a.Templates, func(t Template) bool { return t.Code == v.Template })
	}
	return false
}

func (s *Server) putAudit(w http.ResponseWriter, r *http.Request) {
	var v Audit
	if !decodeStrictly(w, r, &v) {
		return
	}
	if err := s.SetAudit(v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// listedTemplates are the templates that an account's list shows, each with its state.
func (s *Server) listedTemplates(a *account) (list []Template) {
	for i := range a.Templates {
		t := a.Templates[i]
		if t.Status = s.templateStatus(a, &a.Templates[i]); t.Status != StatusGone {
			list = append(list, t)
		}
	}
	return list
}

// listedSigns are the signatures that an account's list shows, each with its state.
func (s *Server) listedSigns(a *account) (list []Sign) {
	for i := range a.Signs {
		g := a.Signs[i]
		if g.Status = s.signStatus(a, &a.Signs[i]); g.Status != StatusGone {
			list = append(list, g)
		}
	}
	return list
}
