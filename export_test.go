package coatcheck

import "net/http"

// HandlerPausing is Handler with a pause between the end of the response and
// that of the exchange, where a busy machine may leave a request for a while.
func (m *Manager) HandlerPausing(next http.Handler, pause func(*Session)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := m.newExchange(w, r)
		x.r = r.WithContext(x)
		defer x.leave(r)
		next.ServeHTTP(x.writer(), x.r)
		x.finish()
		pause(x.session())
	})
}
