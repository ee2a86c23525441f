package cookie

import (
	"fmt"
	"strings"
)

const (
	minSecret    = 32 // bytes: 256 bits, if they are random
	minDifferent = 10 // 32 random hexadecimal digits have fewer once in 10,000 times
	minRest      = 16 // bytes that are not words of placeholders
)

// weakness says why a secret is not good enough, or "". It finds what people
// leave in by mistake; it cannot tell a good secret from a guessable one.
func weakness(secret string) string {
	switch {
	case len(secret) < minSecret:
		return fmt.Sprintf("is %d bytes; want at least %d", len(secret), minSecret)
	case different(secret) < minDifferent:
		return fmt.Sprintf("has %d different bytes; want at least %d", different(secret), minDifferent)
	case repeats(secret):
		return fmt.Sprintf("repeats itself after fewer than %d bytes", minSecret)
	case isPlaceholder(secret):
		return "is a known placeholder"
	}
	return ""
}

func different(s string) int {
	var seen [256]bool
	n := 0
	for i := range len(s) {
		if !seen[s[i]] {
			seen[s[i]] = true
			n++
		}
	}
	return n
}

// repeats reports whether s is something shorter than minSecret, over and over:
// that has the strength of the short thing.
func repeats(s string) bool {
	for period := 1; period < minSecret && 2*period <= len(s); period++ {
		if s[period:] == s[:len(s)-period] {
			return true
		}
	}
	return false
}

// isPlaceholder reports whether little is left of secret without the words that
// example secrets are made of, such as dev-secret-key or changeme. Random text
// holds such a word now and then, but never so many.
func isPlaceholder(secret string) bool {
	s := strings.ToLower(secret)
	if strings.HasPrefix(s, "django-insecure-") {
		return true // what Django writes into the settings of a new project
	}
	pairs := make([]string, 0, 2*len(placeholderWords))
	for _, w := range placeholderWords {
		pairs = append(pairs, w, "")
	}
	rest := strings.NewReplacer(pairs...).Replace(s)
	return len(rest) < minRest || different(rest) < minDifferent
}

// placeholderWords are the parts of secrets found in manuals and templates.
// Where one begins with another, the longer one stands first.
var placeholderWords = strings.Fields(`
	0123456789 1234567890 123456789 12345678 1234 abcdefghijklmnopqrstuvwxyz abcdefgh abcdef abcd qwertyuiop qwerty
	authentication auth application app bytes byte base cat change characters character chars char coatcheck cookies
	cookie default demo development dev django dummy encryption encrypt example express fake fallback fixme flask foobar
	generate gorilla hash hello here hidden insecure keyboard key laravel least local long me minimum must my new node
	not only password passwd passphrase phrase placeholder please private production prod rails random replace sample
	s3cr3t secr3t secrets secret secure security session should signing sign something some static string super strong
	temporary temp testing tests test the this that token topsecret todo update value very with world your - _ . / : ! # +`)
