// Package flask runs Flask applications and the sessions of bridge/flask on one
// browser: what each writes, the other reads.
package flask
