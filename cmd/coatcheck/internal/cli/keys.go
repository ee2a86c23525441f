package cli

import (
	"log/slog"

	"github.com/coatcheck/coatcheck/cookie"
)

// keysSet reports whether the environment says anything of a secret.
func keysSet(getenv func(string) string) bool {
	for _, name := range []string{"SECRET_KEY", "SECRET_KEY_FALLBACKS", "SECRET_KEY_FILE"} {
		if getenv(name) != "" {
			return true
		}
	}
	return false
}

// keysFor returns the keyring of the environment. Where nothing is said there
// it makes a key for this run alone, and tells so.
func keysFor(getenv func(string) string, log *slog.Logger) (*cookie.Keys, error) {
	if keysSet(getenv) {
		return cookie.KeysFromEnv()
	}
	log.Warn("SECRET_KEY is not set: using a key made for this run alone; cookies and sessions made with it will not survive a restart")
	return cookie.NewKeys(newSecret())
}
