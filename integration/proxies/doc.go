// Package proxies runs an application with sessions behind five reverse proxies,
// with the configurations of docs/guide/proxies.md, whose tables are made from
// what is seen here.
package proxies
