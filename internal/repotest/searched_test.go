package repotest_test

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// searched are the words by which people look for an answer, of this library or of
// what they come from.
var searched = []string{
	"OAuth", "OpenID Connect", "invalid state", "form_post", "Magic link", "CSRF token", "Template", "Test", "Proxy", "Docker", "Single-page application", "`resave`", "`rolling`",
	"`saveUninitialized`", "Flash messages", "Remember me", "CORS", "JWT", "Bearer", "Mobile app", "Kubernetes", "sticky sessions", "load balancer",
	"Middleware", "Websocket", "Race condition", "impersonation", "Cookie is not set", "logged out", "Log out everywhere", "Panic", "consent",
}

const guide = "docs/guide/README.md"

var section = regexp.MustCompile(`(?m)^### (.*)\n\n((?:[^#\n].*\n?|\n)*)`)

// The guide answers by the words that people search for: each stands in a heading,
// and what follows leads on, to a page, an example or a name to write.
func TestGuideAnswersByTheWordsPeopleSearchFor(t *testing.T) {
	t.Parallel()
	answers := map[string]string{}
	for _, m := range section.FindAllStringSubmatch(read(t, guide), -1) {
		answers[m[1]] = m[2]
	}
	for heading, answer := range answers {
		if !strings.Contains(answer, "](") && !strings.Contains(answer, "`") {
			t.Errorf("%s: %q leads nowhere: name a page, an example or what to write", guide, heading)
		}
	}
	for _, word := range searched {
		found := false
		for heading := range answers {
			found = found || strings.Contains(strings.ToLower(heading), strings.ToLower(word))
		}
		if !found {
			t.Errorf("%s has no heading with %q: people search for it", guide, word)
		}
	}
}

// The guide's index has every page of the guide.
func TestGuideHasEveryPage(t *testing.T) {
	t.Parallel()
	index, _, _ := strings.Cut(read(t, guide), "\n## ")
	for _, name := range files(t, ".md") {
		if path.Dir(name) == path.Dir(guide) && name != guide && !strings.Contains(index, "]("+path.Base(name)+")") {
			t.Errorf("the table of %s lacks %s", guide, path.Base(name))
		}
	}
}
