#!/usr/bin/env bash
# One would bet: SELECT MAX(n) FROM t without GROUP BY is one row, always; NULL
# where the table is empty (MySQL manual, "Aggregate Functions": "If there are no
# matching rows, MAX() returns NULL"). COALESCE(MAX(n), 0) relies on that.
#
# Seen in go-mysql-server 0.20.0: where n is the primary key the answer has no row
# at all, so that COALESCE never runs and database/sql says "no rows in result
# set". Without the key, or with MAX(n + 0), there is the row with NULL.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat > go.mod <<'MOD'
module finding

go 1.24

require (
	github.com/dolthub/go-mysql-server v0.20.0
	github.com/go-sql-driver/mysql v1.9.3
	github.com/sirupsen/logrus v1.9.3
)
MOD
cat > main.go <<'GO'
package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	gms "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	gmssql "github.com/dolthub/go-mysql-server/sql"
	_ "github.com/go-sql-driver/mysql"
	"github.com/sirupsen/logrus"
)

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == "github.com/dolthub/go-mysql-server" {
			fmt.Println(m.Path, m.Version)
		}
	}
	logrus.SetOutput(io.Discard) // what the server says of each connection
	tables := memory.NewDatabase("app")
	tables.EnablePrimaryKeyIndexes()
	provider := memory.NewDBProvider(tables)
	s, err := server.NewServer(server.Config{Protocol: "tcp", Address: "127.0.0.1:0"}, gms.NewDefault(provider),
		gmssql.NewContext, memory.NewSessionBuilder(provider), nil)
	check(err)
	go s.Start()
	defer s.Close()
	db, err := sql.Open("mysql", "root@tcp("+s.Listener.Addr().String()+")/app")
	check(err)
	defer db.Close()
	_, err = db.Exec("CREATE TABLE keyed (n INTEGER PRIMARY KEY)")
	check(err)
	_, err = db.Exec("CREATE TABLE plain (n INTEGER)")
	check(err)
	changed := false
	for _, c := range []struct {
		query string
		none  bool
	}{
		{"SELECT MAX(n) FROM keyed", true},
		{"SELECT COALESCE(MAX(n), 0) FROM keyed", true},
		{"SELECT MIN(n) FROM keyed", true},
		{"SELECT MAX(n + 0) FROM keyed", false},
		{"SELECT COUNT(n) FROM keyed", false},
		{"SELECT MAX(n) FROM plain", false},
	} {
		var v sql.NullInt64
		err := db.QueryRow(c.query).Scan(&v)
		none := errors.Is(err, sql.ErrNoRows)
		if !none {
			check(err)
		}
		fmt.Printf("%-40s %s\n", c.query, map[bool]string{true: "no row", false: "one row"}[none])
		changed = changed || none != c.none
	}
	if changed {
		fmt.Println("CHANGED: want no row for the first three, one for the others")
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
GO
go run .
