package main

import (
	"net/http"

	"smppbridge/bridge"
)

// catalogDoc is what /v1/catalog answers.
type catalogDoc struct {
	Accounts []bridge.CatalogStatus `json:"accounts"`
}

// catalog answers /v1/catalog on any node: what the Alibaba Cloud accounts have is part of the replicated state.
func (n *node) catalog(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, catalogDoc{Accounts: n.bridge.Catalogs()})
}
