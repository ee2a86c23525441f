// Package e2e has no code: its tests run the library in real browsers.
package e2e
