// Package rails runs a Rails application and the sessions of bridge/rails on one
// browser: what each writes, the other reads.
package rails
