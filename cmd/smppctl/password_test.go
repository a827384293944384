package main

import (
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"

	"smppbridge/configs"
)

// TestHashFitsAPolicy: what hash-password prints verifies, and a policy takes it.
func TestHashFitsAPolicy(t *testing.T) {
	out, err := runCommand(t, "secret\n", "hash-password")
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.TrimSpace(out)
	if ok, err := argon2id.ComparePasswordAndHash("secret", hash); err != nil || !ok {
		t.Errorf("its own password: got %v, %v", ok, err)
	}
	if ok, _ := argon2id.ComparePasswordAndHash("secret\n", hash); ok {
		t.Error("the line break is part of the password")
	}
	doc := "accounts:\n  - system_id: a\n    password_hash: " + hash + "\nroutes: [{name: r}]\n"
	if _, err := configs.ParsePolicy("p", []byte(doc)); err != nil {
		t.Error(err)
	}
}

func TestReadPasswordIsBounded(t *testing.T) {
	if _, err := readPassword(strings.NewReader(strings.Repeat("x", 257))); err == nil {
		t.Error("257 octets: got no error")
	}
	if got, err := readPassword(strings.NewReader("päss wörd\r\n")); err != nil || got != "päss wörd" {
		t.Errorf("got %q, %v", got, err)
	}
}
