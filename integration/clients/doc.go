// Package clients runs the walk-through of coatcheck serve with the HTTP clients
// that people use, and notes what each does with cookies. docs/guide/clients.md is
// made from it.
//
// A client that is a library has a program in testdata. It first prints the
// library's version. Then it reads requests, one a line and divided by tabs: who
// asks, method, URL, form. It answers each with a line: status, which is 0 if
// there was no answer, and the body or the error in base64. Each who has cookies
// of its own. The program's argument is a file with the certificates that it
// trusts.
package clients
