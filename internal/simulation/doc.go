// Package simulation runs many small worlds, each from one seed: browsers with
// tabs, two processes, and a store that decides by the seed when each call takes
// effect, when its answer comes, and whether it comes. Time is testing/synctest's,
// so that a world lives for minutes and takes no time, and takes the same course
// whenever it is run. What the handlers and the browsers saw must be what some
// order of their requests explains (G1–G5, G11, G12).
//
// It has no code of its own, only tests:
//
//	go test ./internal/simulation                      # 2,000 worlds
//	go test ./internal/simulation -schedules 100000    # as make test does
//	go test ./internal/simulation -seed 4711 -v        # one of them, with what happened
package simulation
