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
	ev := event{Seq: e.Seq, Time: e.Time.UTC(), Clock: e.Time.UTC().Format("15:04:05"), Kind: string(e.Kind), Tone: "plain",
		Handle: e.Handle, User: e.User, Says: explain(e), Err: e.Err}
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
	coatcheck.LoggedOut:       "Logged out: a request of the session itself asked for it, as the button does.",
	coatcheck.LoginRequired:   "A request was turned away.",
	coatcheck.HeldBack:        "The session goes on, and its cookie did not come.",
	coatcheck.Bound:           "The browser bound the session to a key of its device.",
	coatcheck.Refreshed:       "The browser proved again that it has the key.",
	coatcheck.Skipped:         "The browser could not prove that it has the key.",
	coatcheck.Copied:          "The cookie came without the proof of its device, from another address: somebody may have copied it.",
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
	switch {
	case e.By != "":
		return "Ended by " + show(e.By) + because(e.Reason) + "."
	case e.Reason != "":
		return "Ended from outside" + because(e.Reason) + "."
	}
	return "Ended from outside: from a list of devices, with all the others of the user, or because a later login was one too many."
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
