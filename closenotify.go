package coatcheck

import "net/http"

// A closeNotifier is what http.CloseNotifier was: deprecated, and still what
// gin's Context.Stream asks for, which panics where a writer lacks it.
type closeNotifier interface{ CloseNotify() <-chan bool }

// notifying is writer for a server's writer that is a closeNotifier, as those of
// net/http are.
func (w plainWriter) notifying() http.ResponseWriter {
	_, push := w.x.w.(http.Pusher)
	flush := has[http.Flusher](w.x.w) || has[flushErrorer](w.x.w)
	switch {
	case has[http.Hijacker](w.x.w):
		return hijackNotifyWriter{hijackWriter{flushWriter{w}}}
	case flush && push:
		return flushPushNotifyWriter{flushPushWriter{flushWriter{w}}}
	case flush:
		return flushNotifyWriter{flushWriter{w}}
	case push:
		return pushNotifyWriter{pushWriter{w}}
	default:
		return plainNotifyWriter{w}
	}
}

func (x *exchange) closeNotify() <-chan bool { return x.w.(closeNotifier).CloseNotify() }

type plainNotifyWriter struct{ plainWriter }

func (w plainNotifyWriter) CloseNotify() <-chan bool { return w.x.closeNotify() }

type flushNotifyWriter struct{ flushWriter }

func (w flushNotifyWriter) CloseNotify() <-chan bool { return w.x.closeNotify() }

type hijackNotifyWriter struct{ hijackWriter }

func (w hijackNotifyWriter) CloseNotify() <-chan bool { return w.x.closeNotify() }

type pushNotifyWriter struct{ pushWriter }

func (w pushNotifyWriter) CloseNotify() <-chan bool { return w.x.closeNotify() }

type flushPushNotifyWriter struct{ flushPushWriter }

func (w flushPushNotifyWriter) CloseNotify() <-chan bool { return w.x.closeNotify() }
