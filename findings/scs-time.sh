#!/usr/bin/env bash
# One would bet: what scs has a getter for can be put into its session. There are
# GetString, GetBool, GetInt, GetInt64, GetInt32, GetFloat, GetBytes and GetTime; the
# documentation asks for gob.Register for custom types only.
#
# Seen in scs 2.9.0: all of them work with what scs brings, and a time.Time fails the
# request: gob does not know it by itself, scs does not register it, and the request is
# answered 500 when the session is saved. One gob.Register(time.Time{}) mends it.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat > go.mod <<'MOD'
module finding

go 1.24

require github.com/alexedwards/scs/v2 v2.9.0
MOD
cat > main.go <<'GO'
package main

import (
	"encoding/gob"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"time"

	"github.com/alexedwards/scs/v2"
)

func put(v any) int {
	m := scs.New()
	m.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
		fmt.Println("  ", err)
		w.WriteHeader(http.StatusInternalServerError)
	}
	w := httptest.NewRecorder()
	m.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { m.Put(r.Context(), "v", v) })).
		ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Printf("%T: %d\n", v, w.Code)
	return w.Code
}

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		fmt.Println(m.Path, m.Version)
	}
	changed := false
	for _, v := range []any{"text", true, 1, int64(1), int32(1), 1.5, []byte("b")} {
		changed = put(v) != 200 || changed
	}
	changed = put(time.Now()) != 500 || changed
	gob.Register(time.Time{})
	changed = put(time.Now()) != 200 || changed
	if changed {
		fmt.Println("This has changed.")
		os.Exit(1)
	}
}
GO
go mod tidy >/dev/null 2>&1
go run .
