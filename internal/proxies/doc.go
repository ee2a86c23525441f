// Package proxies starts the reverse proxies that people put before an
// application, each from its Debian package, with the configurations of
// docs/guide/proxies.md, for tests that look what becomes of a session behind
// them.
package proxies
