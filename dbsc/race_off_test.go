//go:build !race

package dbsc_test

const raceDetector = false
