// Package drivers runs the stores' contract over drivers beside those that the
// other tests use; two of them take the same name.
package drivers
