package cli

import (
	"io"
	"net/url"
	"regexp"
)

var (
	// wholeToken finds what opens a session, wherever it stands: a byte 1 and 38
	// more in base64, of either alphabet.
	wholeToken = regexp.MustCompile(`A[Q-Za-f][A-Za-z0-9_+/-]{50}`)

	// tokenPart is the beginning of one, and nothing else.
	tokenPart = regexp.MustCompile(`^A[Q-Za-f][A-Za-z0-9_-]*$`)

	// framePart is the beginning of a token, or of a signed or sealed cookie.
	framePart = regexp.MustCompile(`^A[Q-Za-v][A-Za-z0-9_-]*$`)

	// escaped is a run of characters with percent-encoded ones among them.
	escaped = regexp.MustCompile(`[A-Za-z0-9_+/-]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9_+/-]*)+`)
)

// A tokenHider is a writer that lets no whole token through: what inspect prints
// ends up in tickets and chats, and whoever has the token has the session (G13).
// Each Write is one line or more.
type tokenHider struct{ io.Writer }

func (h tokenHider) Write(b []byte) (int, error) {
	hidden := wholeToken.ReplaceAllFunc(b, hideToken)
	hidden = escaped.ReplaceAllFunc(hidden, func(run []byte) []byte {
		if text, err := url.PathUnescape(string(run)); err == nil && wholeToken.MatchString(text) {
			return hideToken(run)
		}
		return run
	})
	if _, err := h.Writer.Write(hidden); err != nil {
		return 0, err
	}
	return len(b), nil
}

// hideToken leaves the version and most of the key id.
func hideToken(token []byte) []byte { return append(token[:6:6], "…"...) }
