// Package behaviour holds what the test suites of other session libraries
// assert of them over HTTP, as steps that a black box can be put through: the
// behaviours that we keep, and those that we refuse. docs/behaviours.md is made
// from it.
package behaviour
