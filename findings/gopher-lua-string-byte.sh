#!/usr/bin/env bash
# One would bet: string.byte(s) is the code of the first character, in every Lua.
# The manual (5.1, string.byte): "The default value for i is 1; the default value
# for j is i".
#
# Seen in gopher-lua 1.1.1, the Lua of miniredis 2.40.0: without a second argument
# it returns the codes of all characters; with string.byte(s, 1) of one. A script
# for Redis that compares string.byte(v) with a number works in both, since the
# comparison takes the first of them, until v is long: then the call fails with
# "registry overflow". A table {string.byte(v)} differs at once.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat > go.mod <<'MOD'
module finding

go 1.24

require (
	github.com/alicebob/miniredis/v2 v2.40.0
	github.com/redis/go-redis/v9 v9.14.0
	github.com/yuin/gopher-lua v1.1.1
)
MOD
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	lua "github.com/yuin/gopher-lua"
)

func count(expression string) string {
	l := lua.NewState()
	defer l.Close()
	if err := l.DoString("return select('#', " + expression + ")"); err != nil {
		return err.Error()
	}
	return l.ToString(-1)
}

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == "github.com/yuin/gopher-lua" || m.Path == "github.com/alicebob/miniredis/v2" {
			fmt.Println(m.Path, m.Version)
		}
	}
	s, err := miniredis.Run()
	if err != nil {
		panic(err)
	}
	defer s.Close()
	c := redis.NewClient(&redis.Options{Addr: s.Addr()})
	defer c.Close()
	reply, err := c.Eval(context.Background(), "return {string.byte(ARGV[1])}", nil, "coat").Slice()
	fmt.Printf("miniredis: EVAL \"return {string.byte(ARGV[1])}\" 0 coat -> %v %v; Redis answers [99]\n", reply, err)
	one, all := count("string.byte('coat', 1)"), count("string.byte('coat')")
	fmt.Printf("string.byte('coat', 1) returns %s value, string.byte('coat') %s\n", one, all)
	if one != "1" || all != "4" || len(reply) != 4 {
		fmt.Println("CHANGED: want 1 and 4")
		os.Exit(1)
	}
}
GO
go run .
