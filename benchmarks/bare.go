package benchmarks

// Bare is net/http without sessions.
var Bare = Library{Name: "bare", New: func(b Backend) (App, error) {
	if b.Kind != Memory {
		return unsupported(b)
	}
	return web{Handler: routes{
		"/untouched": untouched, "/read": untouched, "/count": untouched, "/set": untouched,
		"/login": untouched, "/fill": untouched, "/fill4k": untouched,
	}}, nil
}}
