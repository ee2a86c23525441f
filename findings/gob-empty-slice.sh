#!/usr/bin/env bash
# One would bet: encoding/gob gives a value in an interface back as it was. An empty
# map in a map[string]any stays an empty map, so an empty slice stays an empty slice;
# the empty value is sent in both cases, because an element of a map is sent even if
# it is zero.
#
# Seen in Go 1.26: the empty map comes back empty and not nil, the empty slice nil. A
# session that is kept as gob (gorilla/sessions, scs) therefore shows {} as {} and []
# as null to a page that writes it as JSON, from the second request on.
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
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/alexedwards/scs/v2"
)

func main() {
	fmt.Println(runtime.Version())
	gob.Register([]any{})
	gob.Register(map[string]any{})
	in := map[string]any{"list": []any{}, "texts": []string{}, "map": map[string]any{}}
	b, err := scs.GobCodec{}.Encode(time.Now(), in)
	if err != nil {
		panic(err)
	}
	_, out, err := scs.GobCodec{}.Decode(b)
	if err != nil {
		panic(err)
	}
	before, _ := json.Marshal(in)
	after, _ := json.Marshal(out)
	fmt.Printf("before %s\nafter  %s\n", before, after)
	if string(before) != `{"list":[],"map":{},"texts":[]}` || string(after) != `{"list":null,"map":{},"texts":null}` {
		fmt.Println("This has changed.")
		os.Exit(1)
	}
}
GO
go mod tidy >/dev/null 2>&1
go run .
