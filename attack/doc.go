// Package attack holds attacks on cookies and sessions, as tests: one for each
// row of docs/threat-model.md, named after a published fault that it would have
// caught. It exports nothing.
package attack
