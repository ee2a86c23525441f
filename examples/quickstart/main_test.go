package main

import (
	"net/http"
	"testing"

	"github.com/coatcheck/coatcheck/examples/internal/visit"
)

func TestQuickstart(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("GET /profile", profile)
	mux.HandleFunc("POST /logout", logout)
	visit.Quickstart(t, visit.Sessions(t).Handler(mux))
}
