//go:build linux && race

package integration_test

// raced says that the race detector is on, which makes SQLite, being Go, slow.
const raced = true
