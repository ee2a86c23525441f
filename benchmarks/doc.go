// Package benchmarks sends the same requests through coatcheck, through other
// session libraries, and through the same work written straight down, and
// measures what they cost and what they lose. cmd/measure runs all of it and
// writes docs/performance.md; nobody writes there by hand.
//
// Each library has a file of its own, which says how it is configured: as its
// own documentation recommends, with the attributes Secure and HttpOnly on its
// cookie, and otherwise with its defaults. All handlers do the same work.
package benchmarks
