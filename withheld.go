package coatcheck

import "net/http"

// Withheld reports whether the browser kept the session cookie back, or may have,
// because another site leads here: by a link, a redirect, or the form that an
// OpenID provider posts. User and the values are then absent, which says nothing
// of the session. What looks like a forged state or a visitor who is not logged
// in may be neither:
//
//	v, ok := pending.Pop(s)
//	if !ok && s.Withheld() {
//		coatcheck.AnswerError(w, r, coatcheck.ErrHeldBack) // a page with a link to itself
//		return
//	}
//
// Config.Landing spares the visitor that page. A POST of another site brings no
// cookie of the session at all: what it needs belongs into a cookie of its own,
// sealed and with SameSite=None. After a Login, and for a browser that sends no
// Fetch Metadata, Withheld is false. It looks at the session, and believes what
// the request says: it protects from nothing.
func (s *Session) Withheld() bool {
	if !s.lock() {
		return false
	}
	defer s.unlock()
	s.look()
	return s.unseen()
}

// unseen reports whether there may be a session that this request does not show.
func (s *Session) unseen() bool {
	switch {
	case s.live || s.identity == logIn:
		return false
	case s.held:
		return s.holdsBack()
	}
	// A Lax cookie comes with what opens a page, and with nothing else.
	return s.noCookie && s.x.m.cfg.Cookie.SameSite == http.SameSiteLaxMode &&
		s.x.r.Header.Get("Sec-Fetch-Site") == "cross-site" && !opensPage(s.x.r)
}

// holdsBack reports whether a first write must not make a session: it could
// overwrite the cookie that the browser withheld (G7).
func (s *Session) holdsBack() bool {
	return s.held && !s.live && s.identity != logIn && (s.marked || !opensPage(s.x.r))
}

// missed takes note that a value was asked for and is absent. The latch is held.
func (s *Session) missed(name string) {
	if s.noCookie && name != flashName && s.unseen() {
		s.missing = true
	}
}

// tellMissed tells at the request's end, once, of a value that was absent because
// the cookie was, unless the request was held back, which was told.
func (s *Session) tellMissed() {
	if s.missing && s.err == nil {
		s.x.event(Event{Kind: HeldBack, Reason: reasonWithheld, Err: s.x.m.elsewhere(s.x.r)})
	}
}
