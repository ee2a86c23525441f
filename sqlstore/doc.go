// Package sqlstore keeps sessions in a SQL database: SQLite, PostgreSQL, MySQL
// or MariaDB. It is on database/sql and imports no driver; the program chooses
// one and opens the database.
//
//	import _ "modernc.org/sqlite"
//
//	db, err := sql.Open("sqlite", "file:sessions.db?_pragma=busy_timeout(100)")
//	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Config{})
//	err = store.Migrate(ctx)
//	sessions, err := coatcheck.New(store, keys, coatcheck.Config{})
//
// The database never holds a token: ids are hashes, and a copy of the tables
// opens no session. Who must not read what sessions contain either wraps the
// store with package sealedstore.
//
// What a call acknowledged is as durable as the database makes a commit. An
// error that is none of the contract leaves open whether the call was applied.
//
// The guide (docs/guide/stores.md) has the connection strings that matter,
// poolers, partitioning and CockroachDB.
package sqlstore
