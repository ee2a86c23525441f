// Package servers starts the real servers that the tests of this module run
// against: each from the programs that are installed, on a free port of the
// loopback interface, with a folder of its own, stopped with the test.
//
// A server that a test harms is the test's own (NewPostgres); all others use
// one that the tests of a run share (Postgres) and that TestMain stops.
package servers
