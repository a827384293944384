package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"smppbridge/configs"
)

// openPaths are for probes and scrapers, which may know the node by any name; they tell nothing of messages and change nothing.
var openPaths = []string{"/healthz", "/readyz", "/metrics"}

var errOtherSite = errors.New("a page of another site may not do this")

// guardAdmin protects the admin listener from web pages that somebody opens who can reach it: no password does. A browser
// says so when a page of another site sends a request that changes something, and that is refused. A page whose own name was
// made to resolve to this address is no other site; but it is that name that the browser asks for then, and only addresses,
// localhost and the name that listen has are answered. Programs that are no browsers pass.
func guardAdmin(listen string, h http.Handler) http.Handler {
	own, _, _ := net.SplitHostPort(listen)
	sites := http.NewCrossOriginProtection()
	sites.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusForbidden, errOtherSite)
	}))
	guarded := sites.Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(openPaths, r.URL.Path) && !isOwnHost(r.Host, own) {
			writeError(w, http.StatusMisdirectedRequest,
				fmt.Errorf("%q is no name of this listener: ask by its address, or name it so in http.listen", r.Host))
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// isOwnHost reports whether a Host header names this listener, whose own name may be own. Browsers always send one.
func isOwnHost(host, own string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "" || strings.EqualFold(host, "localhost") || own != "" && strings.EqualFold(host, own) {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// guardCallback answers only those who may push, if from names any.
func guardCallback(from []string, h http.Handler) (http.Handler, error) {
	if len(from) == 0 {
		return h, nil
	}
	networks := make([]netip.Prefix, len(from))
	for i := range from {
		var err error
		if networks[i], err = configs.ParseNetwork(from[i]); err != nil {
			return nil, fmt.Errorf("callback.from: %w", err)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(peer.Addr().Unmap()) }) {
			w.Header().Set("Connection", "close")
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	}), nil
}
