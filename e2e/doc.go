// Package e2e has no code: its tests run the library in a real Chromium.
package e2e
