package dbsc

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/internal/binding"
)

// ServeHTTP answers registrations and refreshes. What a browser makes of the
// statuses decides them: 401, 429 and redirects end a binding for good, 503 is
// tried again, and 403 asks for a proof.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.inner.ServeHTTP(w, r) }

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	act := h.answerRefresh
	switch {
	case strings.HasSuffix(r.URL.Path, "/refresh"):
	case strings.HasSuffix(r.URL.Path, "/register"):
		act = h.answerRegistration
	default:
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		header.Set("Allow", http.MethodPost)
		http.Error(w, "Browsers come here by themselves, with POST", http.StatusMethodNotAllowed)
		return
	}
	view, err := h.sessions.Admit(r.Context())
	if err != nil { // the answer is Fail's
		return
	}
	act(w, r, view)
}

// Fail answers where the session could not be asked or changed. Unless it is over
// the browser keeps the binding and tries again with its next request: the store
// is away, the request took too long, or a renewal has won the race against it.
func (g guard) Fail(w http.ResponseWriter, over bool) {
	if over {
		refuse(w, http.StatusUnauthorized)
		return
	}
	later(w)
}

func later(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	refuse(w, http.StatusServiceUnavailable)
}

func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(status), status)
}

// answerRegistration binds the session to the key that the proof brings. The proof
// is made for this session and just now: its challenge is.
func (h *Handler) answerRegistration(w http.ResponseWriter, r *http.Request, view binding.View) {
	if view.Replaced || view.Withheld {
		later(w)
		return
	}
	if !view.Live || view.User == "" {
		h.tell(r, coatcheck.Refused, reasonNobody)
		refuse(w, http.StatusUnauthorized)
		return
	}
	now := time.Now()
	p, err := readProof(r.Header)
	if err == nil {
		err = h.checkRegistration(r, &p, view, now)
	}
	if err != nil {
		h.refused(w, r, err)
		return
	}
	b := binding.Record{Algorithm: p.algorithm, Since: now, Refreshed: now, Key: p.key}
	rand.Read(b.ID[:]) // never fails: the runtime ends the program instead
	var kept binding.Record
	err = h.sessions.Change(r.Context(), func(old []byte) []byte {
		entry := b.Encode()
		if before, ok := binding.Decode(old); ok && (!replaceable(before, now) || slices.Equal(before.Key, b.Key)) || old != nil && !ok {
			entry = old
		}
		kept, _ = binding.Decode(entry)
		return entry
	})
	switch {
	case err != nil:
	case kept.Algorithm != b.Algorithm || !slices.Equal(kept.Key, b.Key):
		h.refused(w, r, refusal(reasonTaken))
	case now.Sub(kept.Since) > usesWithin: // what was lost comes again within seconds
		h.refused(w, r, reasonReplayed)
	default:
		h.tell(r, coatcheck.Bound, algorithmName(b.Algorithm))
		h.instruct(w, r, kept.ID, now)
	}
}

// replaceable reports whether another key may take the place of a binding: its answer
// may have been lost, and no request has brought its cookie. Longer than seconds a copy
// of the cookies could make use of that while the owner reads the first page.
func replaceable(b binding.Record, now time.Time) bool {
	return b.Proven.IsZero() && now.Sub(b.Since) <= usesWithin
}

func (h *Handler) checkRegistration(r *http.Request, p *proof, view binding.View, now time.Time) error {
	if p.key == nil {
		return reasonKey
	}
	if err := p.verify(p.key); err != nil {
		return err
	}
	if err := h.offered(view.ID, p.challenge, now); err != nil {
		return err
	}
	return h.audience(r, p, h.register)
}

// offered checks the challenge of a registration (R10).
func (h *Handler) offered(id [32]byte, challenge string, now time.Time) error {
	issued, ok := h.challenges.challenged(subjectOf(forRegistration, id[:]), challenge)
	switch {
	case !ok:
		return reasonChallenge
	case !current(issued, now, registrationLife):
		return reasonStale
	}
	return nil
}

// answerRefresh gives out a new bound cookie for a proof of the session's key.
func (h *Handler) answerRefresh(w http.ResponseWriter, r *http.Request, view binding.View) {
	now := time.Now()
	id := unquoted(strings.Join(r.Header["Sec-Secure-Session-Id"], ","))
	p, err := readProof(r.Header)
	b, ok := binding.Decode(view.Entry)
	switch {
	case view.Replaced: // the new token may be on its way: nothing is known yet
		h.replaced(w, r, id, err, now)
		return
	case view.Withheld, view.Entry != nil && !ok: // a newer version may be able to read it
		later(w)
		return
	case view.Entry == nil || id != "" && id != identifier(b.ID): // a proof without id says by its challenge for what it is
		h.over(w, r)
		return
	}
	var issued time.Time
	if err == nil {
		issued, err = h.checkRefresh(r, &p, b, now)
	}
	if err != nil {
		h.challenge(w, b.ID, now)
		h.refused(w, r, err)
		return
	}
	same := false
	if err := h.sessions.Change(r.Context(), func(old []byte) (entry []byte) {
		entry, same = refreshed(old, b.ID, issued, now)
		return entry
	}); err != nil {
		return
	}
	if !same { // bound anew meanwhile
		h.over(w, r)
		return
	}
	h.tell(r, coatcheck.Refreshed, algorithmName(b.Algorithm))
	h.instruct(w, r, b.ID, now)
}

// over answers the refresh of a binding that is not the session's, or of no
// session: the browser forgets it.
func (h *Handler) over(w http.ResponseWriter, r *http.Request) {
	h.tell(r, coatcheck.Refused, reasonNoSuch)
	refuse(w, http.StatusUnauthorized)
}

// replaced answers a refresh whose session cookie a login or renewal has just
// replaced. The browser proves the key with the next one, or comes again.
func (h *Handler) replaced(w http.ResponseWriter, r *http.Request, identifier string, proof error, now time.Time) {
	id, err := base64url.DecodeString(identifier)
	if proof != reasonNoProof || err != nil || len(id) != binding.IDSize {
		later(w)
		return
	}
	h.challenge(w, [binding.IDSize]byte(id), now)
	refuse(w, http.StatusForbidden)
}

// refreshed notes a proof in the entry. Of several tabs at once, which have one
// challenge, one does. The first proof also says that the browser knows of its
// binding.
func refreshed(old []byte, id [binding.IDSize]byte, issued, now time.Time) (entry []byte, same bool) {
	b, ok := binding.Decode(old)
	if same = ok && b.ID == id; !same || !issued.After(b.Used) {
		return old, same
	}
	b.Refreshed, b.Used = now, issued
	if b.Proven.IsZero() {
		b.Proven = now
	}
	return b.Encode(), true
}

// checkRefresh checks a proof and returns when its challenge was issued.
func (h *Handler) checkRefresh(r *http.Request, p *proof, b binding.Record, now time.Time) (issued time.Time, err error) {
	switch {
	case p.key != nil:
		return issued, reasonEmbedded
	case p.algorithm != b.Algorithm:
		return issued, reasonAlgorithm
	}
	if err := p.verify(b.Key); err != nil {
		return issued, err
	}
	if issued, err = h.unspent(b, p.challenge, now); err != nil {
		return issued, err
	}
	return issued, h.audience(r, p, h.refresh)
}

// unspent checks the challenge of a refresh (R10) and returns when it was issued.
func (h *Handler) unspent(b binding.Record, challenge string, now time.Time) (issued time.Time, err error) {
	issued, ok := h.challenges.challenged(subjectOf(forRefresh, b.ID[:]), challenge)
	switch {
	case !ok:
		return issued, reasonChallenge
	case !current(issued, now, h.maxAge+refreshAhead):
		return issued, reasonStale
	case !issued.After(b.Used) && now.Sub(b.Refreshed) > usesWithin:
		return issued, reasonReplayed
	}
	return issued, nil
}

// audience checks for whom a proof was made, where it says so: for this path of
// this host, or of one of the origins under which people reach it.
func (h *Handler) audience(r *http.Request, p *proof, path string) error {
	for _, aud := range p.audiences {
		u, err := url.Parse(aud)
		if err != nil || u.Scheme != "https" || u.Path != path {
			continue
		}
		if strings.EqualFold(u.Host, r.Host) || slices.Contains(h.sessions.Origins, "https://"+u.Host) {
			return nil
		}
	}
	if len(p.audiences) == 0 {
		return nil
	}
	return reasonAudience
}

// refused answers a proof that is none.
func (h *Handler) refused(w http.ResponseWriter, r *http.Request, why error) {
	if why != reasonNoProof || w.Header().Get(challengeHeader) == "" { // or it is the first leg, as it should be
		reason := refusal("")
		errors.As(why, &reason)
		h.tell(r, coatcheck.Refused, string(reason))
	}
	refuse(w, http.StatusForbidden)
}

const challengeHeader = "Secure-Session-Challenge"

// challenge gives out a challenge: for this refresh, or ahead for the next.
func (h *Handler) challenge(w http.ResponseWriter, id [binding.IDSize]byte, now time.Time) {
	c := h.challenges.challenge(subjectOf(forRefresh, id[:]), now)
	w.Header().Set(challengeHeader, quote(c)+";id="+quote(identifier(id)))
}

// An instruction tells the browser how a session is bound.
type instruction struct {
	Identifier  string       `json:"session_identifier"`
	Refresh     string       `json:"refresh_url"`
	Scope       scope        `json:"scope"`
	Credentials []credential `json:"credentials"`
}

type scope struct {
	Origin        string   `json:"origin"`
	IncludeSite   bool     `json:"include_site"`
	Specification []string `json:"scope_specification"`
}

type credential struct {
	Type       string `json:"type"`
	Name       string `json:"name"`
	Attributes string `json:"attributes"`
}

// instruct answers a proof that is accepted: the cookie, how it is bound, and the
// challenge of the next refresh, which then is one trip.
func (h *Handler) instruct(w http.ResponseWriter, r *http.Request, id [binding.IDSize]byte, now time.Time) {
	line, err := h.cookie.Line(h.cookies.bind(id, now), h.browserAge())
	var body []byte
	origin := h.originOf(r)
	if err == nil && origin != "" { // at a refresh nothing stands for what the browser was told before
		body, err = json.Marshal(instruction{
			Identifier: identifier(id), Refresh: h.refresh,
			Scope:       scope{Origin: origin, Specification: []string{}},
			Credentials: []credential{{"cookie", h.cookie.Name(), h.attributes}},
		})
	}
	if err != nil { // it was declared, and has no value that could fail
		later(w)
		return
	}
	h.sessions.SetCookie(r.Context(), w.Header(), line)
	h.challenge(w, id, now)
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

// browserAge is the life that the browser is told: a little less than ours.
func (h *Handler) browserAge() time.Duration {
	return h.maxAge - min(inFlight, (h.maxAge/10).Truncate(time.Second))
}

// originOf is the origin as the browser sees it; another one ends a binding. Its own
// word counts first, which the manager has compared with the host and
// Config.Origins. Without it the host is that of the request, unless Config.Origins
// tells that a proxy has rewritten that; which of several it was nobody can tell.
func (h *Handler) originOf(r *http.Request) string {
	if origin := r.Header.Get("Origin"); strings.HasPrefix(origin, "https://") {
		return origin
	}
	own := "https://" + strings.ToLower(strings.TrimSuffix(r.Host, ":443"))
	var secure []string
	for _, origin := range h.sessions.Origins {
		if strings.EqualFold(origin, own) {
			return own
		}
		if strings.HasPrefix(origin, "https://") {
			secure = append(secure, origin)
		}
	}
	switch len(secure) {
	case 0:
		return own
	case 1:
		return secure[0]
	}
	return ""
}

func (h *Handler) tell(r *http.Request, kind coatcheck.Kind, reason string) {
	h.sessions.Tell(r.Context(), string(kind), reason)
}
