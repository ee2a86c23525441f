package console

import (
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
)

// An event is an entry as the pages show it.
type event struct {
	Seq    uint64    `json:"seq"`
	Time   time.Time `json:"time"`
	Clock  string    `json:"clock"`
	Kind   string    `json:"kind"`
	Tone   string    `json:"tone"` // end, bad or plain
	Handle string    `json:"handle"`
	User   string    `json:"user"`
	Says   string    `json:"says"`
	Err    string    `json:"err"`
}

func newEvent(e entry) event {
	ev := event{Seq: e.Seq, Time: e.Time.UTC(), Clock: e.Time.UTC().Format("15:04:05"), Kind: show(string(e.Kind)), Tone: "plain",
		Handle: e.Handle, User: e.User, Says: show(explain(e)), Err: e.Err}
	switch {
	case ends[e.Kind]:
		ev.Tone = "end"
	case attention[e.Kind]:
		ev.Tone = "bad"
	}
	return ev
}

// explain says in words what happened.
func explain(e entry) string {
	switch e.Kind {
	case coatcheck.Revoked:
		return revoked(e)
	case coatcheck.LoggedOut:
		return loggedOut(e.Reason)
	case coatcheck.Expired:
		return expired(e.Reason)
	}
	says, ok := explanations[e.Kind]
	if !ok {
		says = sentence(string(e.Kind))
	}
	if e.Reason != "" {
		says = strings.TrimSuffix(says, ".") + ": " + e.Reason + "."
	}
	return says
}

var explanations = map[coatcheck.Kind]string{
	coatcheck.Created:         "A session began for a visitor who is not logged in.",
	coatcheck.LoggedIn:        "Logged in, with a new token.",
	coatcheck.Reauthenticated: "Proved again who they are, with a new token.",
	coatcheck.Renewed:         "Got a new token. The session goes on under this handle.",
	coatcheck.LoginRequired:   "A request was turned away.",
	coatcheck.HeldBack:        "The session goes on, and its cookie did not come.",
	coatcheck.Bound:           "The browser bound the session to a key of its device.",
	coatcheck.Refreshed:       "The browser proved again that it has the key.",
	coatcheck.Skipped:         "The browser could not prove that it has the key.",
	coatcheck.Copied:          "The cookie came from another network without the proof of its device: somebody may have copied it.",
	coatcheck.Conflict:        "Two processes wrote at once, and nothing was lost.",
	coatcheck.Refused:         "A cookie or a request was refused.",
	coatcheck.Failed:          "A change was refused.",
	coatcheck.Mismatch:        "A stored value counts as absent.",
	coatcheck.Damaged:         "The session was ended.",
	coatcheck.WriteEnded:      "A write was refused.",
	coatcheck.TooOld:          "A request that took more than 50 seconds was refused.",
	coatcheck.Late:            "The session was used too late in the answer.",
	coatcheck.StoreError:      "The store failed at this.",
	coatcheck.Insecure:        "Plain HTTP.",
	coatcheck.Large:           "A cookie may be refused on its way.",
}

// revoked says who ended a session from outside, and how.
func revoked(e entry) string {
	how, ok := revocations[e.Reason]
	switch {
	case e.By != "" && ok:
		return "Ended by " + show(e.By) + ", " + how.what + "."
	case e.By != "":
		return "Ended by " + show(e.By) + because(e.Reason) + "."
	case ok:
		return how.who + how.what + "."
	}
	return "Ended from outside" + because(e.Reason) + "."
}

// What ends a session from outside: an admin's or a program's call, the user, a
// label, a limit.
const (
	byUser    = "The user ended it in a request of their own, "
	byOthers  = "Ended from outside by an operator, a program or a provider’s logout, which gave no name, "
	byLibrary = "Nobody asked for it: "
)

var revocations = map[string]struct{ who, what string }{
	"by Revoke": {byOthers, "this session alone"},
	"by Revoke, in a request of the same user": {byUser, "this session alone, as from a list of devices"},
	"by RevokeLabel": {byOthers, "with all of the user’s sessions that have a label"},
	"by RevokeLabel, in a request of the same user": {byUser, "with all of the user’s sessions that have a label"},
	"by RevokeAll": {byOthers, "with all sessions of the user"},
	"by RevokeAll, in a request of the same user": {byUser, "with all sessions of the user: logged out everywhere"},
	"by RevokeOthers":                           {byUser, "with all sessions of the user but the one in use, as after a new password"},
	"by RevokeEverybody":                        {byOthers, "with the sessions of everybody"},
	"a later login of the user took its place":  {byLibrary, "a later login of the user took its place, since the application limits how many sessions a user has"},
	"nobody knows whether its login was stored": {byLibrary, "the store failed while its login was stored, so it was ended to be safe, and nobody has its token"},
}

// loggedOut says how a session ended in its own request.
func loggedOut(reason string) string {
	switch reason {
	case "":
		return "Logged out: a request of the session itself asked for it, as the button does."
	case "its login was too late to be sent to the browser":
		return "Nobody asked for it: the answer had begun before the login was stored, so its browser never had the token. It is a fault of the application."
	}
	return "Logged out" + because(reason) + "."
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// expired says why a cookie that came opens nothing.
func expired(reason string) string {
	switch reason {
	case "nobody used it for its idle time":
		return "Ran out before this request: nobody used it for its idle time."
	case "its lifetime was over":
		return "Ran out before this request: its lifetime was over. Every session ends then, however busy."
	case "its cookie is past its lifetime":
		return "A cookie came that is past its lifetime: its client keeps cookies for too long."
	case "it ended a while ago":
		return "Its cookie came once more. It had ended more than a minute before, by a logout or from outside."
	case "unknown session":
		return "Its cookie came, and the store has no such session: it ran out and was removed, or the store lost it or is another one."
	}
	return "Its cookie came after its end: " + reason + "."
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
