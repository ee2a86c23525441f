package coatcheck

import (
	"errors"
	"flag"
	"net/http"
	"reflect"
	"sync"

	"github.com/coatcheck/coatcheck/internal/passedby"
)

// errPassedBy is of an answer that went to the server's writer without us: from a
// router's middleware that calls Handler but lets the rest answer through the
// router's own writer.
var errPassedBy = errors.New("coatcheck: the answer went past the ResponseWriter that Manager.Handler gives to its handler, so no cookie could be set; " +
	"wrap the whole router, as in sessions.Handler(engine): docs/guide/routers.md")

// passedBy is finish where the answer has begun in a writer around ours, though
// not through ours: the headers of the session cannot be sent any more, so that
// what needs a cookie must not be stored (G4). That is a fault of the program:
// an event tells of it, and in a test there is no way not to notice.
func (x *exchange) passedBy(s *Session) {
	x.enter(sent)
	x.event(Event{Kind: Late, Handle: s.handleNow(), Reason: reasonPassedBy, Err: errPassedBy})
	if tell, ok := x.Context.Value(passedby.Key{}).(func(error)); ok {
		tell(errPassedBy)
	} else if inTest() && !x.out.begun {
		panic(errPassedBy)
	}
}

// inTest reports whether this program is a test.
var inTest = sync.OnceValue(func() bool { return flag.Lookup("test.v") != nil })

// wanted reports whether the session has headers or changes for the answer.
func (s *Session) wanted() bool {
	if s == nil || !s.lock() {
		return false
	}
	defer s.unlock()
	return s.looked || s.pending()
}

func (s *Session) handleNow() string {
	if !s.lock() {
		return ""
	}
	defer s.unlock()
	return s.handle()
}

// begun reports whether the final header has left through w, as far as w or a
// writer that it unwraps to tells: those of gin and negroni have Written, chi's
// has Status, and echo's and net/http's keep it in a field.
func begun(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case interface{ exchange() *exchange }: // another manager's
			return v.exchange().phase() != open
		case interface{ Written() bool }:
			if v.Written() {
				return true
			}
		case interface {
			Status() int
			BytesWritten() int
		}:
			if v.Status() != 0 {
				return true
			}
		default:
			if keepsBegun(w) {
				return true
			}
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}

// begunFields knows for each type of writer the field that says whether it has
// begun, and the pointer to a struct that holds it, or -1.
var begunFields sync.Map

// keepsBegun looks into a writer. There is no other way to ask those of net/http,
// and where a field has another name in some version nothing is noticed.
func keepsBegun(w http.ResponseWriter) bool {
	v := reflect.ValueOf(w)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return false
	}
	found, ok := begunFields.Load(v.Type())
	if !ok {
		outer, inner := begunField(v.Type().Elem())
		found, _ = begunFields.LoadOrStore(v.Type(), [2]int{outer, inner})
	}
	v = v.Elem()
	at := found.([2]int)
	if at[0] >= 0 {
		if v = v.Field(at[0]); v.IsNil() {
			return false
		}
		v = v.Elem()
	}
	return at[1] >= 0 && v.Field(at[1]).Bool()
}

func begunField(t reflect.Type) (outer, inner int) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type.Kind() == reflect.Bool && (f.Name == "wroteHeader" || f.Name == "Committed") {
			return -1, i
		}
	}
	for i := range t.NumField() { // that of HTTP/2
		f := t.Field(i)
		if f.Name == "rws" && f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct {
			if _, inner := begunField(f.Type.Elem()); inner >= 0 {
				return i, inner
			}
		}
	}
	return -1, -1
}
