package walkthrough

import (
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck"
)

func (s *Site) routeDevices(mux *http.ServeMux) {
	handle := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, s.sessions.RequireLogin(h)) }
	handle("GET /sessions", s.listSessions)
	handle("POST /sessions/label", s.labelSession)
	handle("POST /sessions/revoke", s.revokeSession)
	handle("POST /sessions/revoke-others", s.revokeOthers)
}

// A device is what a user sees of one of their sessions.
type device struct {
	Handle   string    `json:"handle"` // opens nothing
	Current  bool      `json:"current"`
	Created  time.Time `json:"created"`
	LastSeen time.Time `json:"last_seen"`
	Device   string    `json:"device"`
	Label    string    `json:"label,omitempty"` // what its user calls it
}

// deviceLabel is the label under which a session has the name that its user gave.
const deviceLabel = "device"

func (s *Site) listSessions(w http.ResponseWriter, r *http.Request) {
	list, err := s.sessions.Sessions(r.Context(), coatcheck.From(r.Context()).User())
	if err != nil {
		coatcheck.AnswerError(w, r, err)
		return
	}
	devices := make([]device, len(list))
	for i, d := range list {
		devices[i] = device{d.Handle, d.Current, d.Created, d.LastSeen, d.Device, d.Labels[deviceLabel]}
	}
	answerJSON(w, devices)
}

// labelSession gives this session the name that its user chose.
func (s *Site) labelSession(w http.ResponseWriter, r *http.Request) {
	label, ok := field(w, r, "label", func(v string) bool { return line(v, 64) })
	if !ok {
		return
	}
	coatcheck.From(r.Context()).SetLabel(deviceLabel, label)
	answer(w, http.StatusOK, "Label: %s", label)
}

// revokeSession ends one session of this user. A handle of somebody else's is
// as unknown as one that never was.
func (s *Site) revokeSession(w http.ResponseWriter, r *http.Request) {
	handle, ok := field(w, r, "handle", func(v string) bool { return line(v, 64) })
	if !ok {
		return
	}
	switch found, err := s.sessions.Revoke(r.Context(), coatcheck.From(r.Context()).User(), handle); {
	case err != nil:
		coatcheck.AnswerError(w, r, err)
	case !found:
		answer(w, http.StatusNotFound, "No such session")
	default:
		answer(w, http.StatusOK, "Revoked")
	}
}

func (s *Site) revokeOthers(w http.ResponseWriter, r *http.Request) {
	n, err := s.sessions.RevokeOthers(r.Context())
	if err != nil {
		coatcheck.AnswerError(w, r, err)
		return
	}
	answer(w, http.StatusOK, "Revoked %d", n)
}
