package main

import (
	"net/http"
	"strings"
	"unicode"

	"github.com/mileusna/useragent"

	"github.com/coatcheck/coatcheck"
)

// devices lists where the customer is signed in.
func (s *shop) devices(w http.ResponseWriter, r *http.Request) error {
	list, err := s.sessions.Sessions(r.Context(), coatcheck.From(r.Context()).User())
	if err != nil {
		return err
	}
	return s.page(w, r, http.StatusOK, "devices", list)
}

// endDevice ends one session, or all but this one.
func (s *shop) endDevice(w http.ResponseWriter, r *http.Request) error {
	sess := coatcheck.From(r.Context())
	var err error
	if handle := r.FormValue("handle"); handle != "" {
		_, err = s.sessions.Revoke(r.Context(), sess.User(), handle)
	} else {
		_, err = s.sessions.RevokeOthers(r.Context())
	}
	if err != nil {
		return err
	}
	sess.Flash("Signed out there.")
	return goTo(w, r, "/devices")
}

// deviceName is what the list calls a device before its owner does: what a library
// makes of the User-Agent, with versions, which tell two phones apart.
func deviceName(r *http.Request) string {
	agent := useragent.Parse(r.UserAgent())
	name := strings.TrimSpace(agent.Name + " " + agent.VersionNoShort())
	if system := strings.TrimSpace(agent.OS + " " + agent.OSVersionNoShort()); system != "" {
		name += " on " + system
	}
	return name
}

// deviceLabel is what a customer calls a device.
const deviceLabel = "device"

func (s *shop) nameDevice(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimSpace(r.FormValue("name"))
	if name == "" || len(name) > 100 || strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return refusal{http.StatusBadRequest, "Please choose a name of at most 100 letters."}
	}
	coatcheck.From(r.Context()).SetLabel(deviceLabel, name)
	return goTo(w, r, "/devices")
}
