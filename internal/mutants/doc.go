// Package mutants shows that the tests of attacks and promises can fail: each of
// its mutants is the library with one defence taken away, and names a test that
// must notice. It has no code of its own; run it with make mutants.
package mutants
