// Package repotest holds the tests of the repository itself: the rules of
// CONTRIBUTING.md that a program can check. It has no code of its own.
package repotest
