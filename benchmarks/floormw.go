package benchmarks

import (
	"context"
	"encoding/binary"
	"net/http"
	"strings"
)

// FloorAPI is the floor behind an API that Go programmers know: middleware, a
// session in the request's context that is loaded when it is first used, and a
// response writer that saves it before the first byte. It is the least that
// such an API can cost, and still has no features.
var FloorAPI = Library{Name: "floor-mw", New: func(b Backend) (App, error) {
	if b.Kind != Memory {
		return unsupported(b)
	}
	s := newFloorStore()
	return web{Handler: s.handler(routes{
		"/untouched": untouched,
		"/read": func(w http.ResponseWriter, r *http.Request) {
			value, ok := floorFrom(r.Context()).get(textName)
			if !ok || string(value) != textValue {
				answer(w, "")
				return
			}
			w.Write(okBody)
		},
		"/count": func(w http.ResponseWriter, r *http.Request) {
			n, ok := floorFrom(r.Context()).count()
			if !ok {
				answer(w, "")
				return
			}
			answerNumber(w, n)
		},
		"/set": func(w http.ResponseWriter, r *http.Request) {
			floorFrom(r.Context()).data = appendValue(nil, textName, textValue)
			w.Write(okBody)
		},
		"/login": func(w http.ResponseWriter, r *http.Request) {
			floorFrom(r.Context()).user = userValue
			w.Write(okBody)
		},
		"/fill": func(w http.ResponseWriter, r *http.Request) {
			floorFrom(r.Context()).data = fillFloor(number(r))
			w.Write(okBody)
		},
		"/fill4k": func(w http.ResponseWriter, r *http.Request) {
			floorFrom(r.Context()).data = appendValue(appendValue(nil, largeName, strings.Repeat("x", 4000)), textName, textValue)
			w.Write(okBody)
		},
	}.pages())}, nil
}}

type floorKey struct{}

// A floorSession is session and response writer of one request.
type floorSession struct {
	http.ResponseWriter
	s     *floorStore
	r     http.Header
	user  string // of a login
	data  []byte // of a first write
	wrote bool
}

func floorFrom(ctx context.Context) *floorSession { return ctx.Value(floorKey{}).(*floorSession) }

func (s *floorStore) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &floorSession{ResponseWriter: w, s: s, r: r.Header}
		next.ServeHTTP(x, r.WithContext(context.WithValue(r.Context(), floorKey{}, x)))
		x.save()
	})
}

func (x *floorSession) get(name string) ([]byte, bool) {
	data, ok := x.s.load(x.r)
	if !ok {
		return nil, false
	}
	return findValue(data, name)
}

// count is a read of the session and, as it was then, its conditional write.
func (x *floorSession) count() (int, bool) {
	value, ok := x.get(countName)
	if !ok {
		return 0, false
	}
	_ = binary.LittleEndian.Uint64(value)
	return x.s.count(x.r)
}

func (x *floorSession) save() {
	if x.wrote {
		return
	}
	x.wrote = true
	switch {
	case x.user != "":
		if !x.s.renew(x.Header(), x.r, x.user) {
			x.WriteHeader(http.StatusInternalServerError)
		}
	case x.data != nil:
		x.s.create(x.Header(), x.data)
	}
}

func (x *floorSession) Write(b []byte) (int, error) {
	x.save()
	return x.ResponseWriter.Write(b)
}

func (x *floorSession) WriteHeader(status int) {
	x.save()
	x.ResponseWriter.WriteHeader(status)
}
