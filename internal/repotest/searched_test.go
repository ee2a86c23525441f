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
	"Prefetch", "Turbo", "htmx", "Timeout", "iframe", "until the browser closes", "unticked", "time left", "Graceful shutdown", "idle time of its own", "Page cache",
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

var docLink = regexp.MustCompile(`\[([A-Z]\w*)(?:\.([A-Z]\w*))?\]`)

// "go doc" begins with what an application needs: about fifteen names, all of which
// there are, before promises, workings and what authors of stores need.
func TestPackageDocBeginsWithWhatAnApplicationNeeds(t *testing.T) {
	t.Parallel()
	_, rest, ok := strings.Cut(read(t, "doc.go"), "\n// # ")
	part, _, _ := strings.Cut(rest, "\n// # ")
	if !ok || !strings.HasPrefix(part, "What an application needs\n") {
		t.Fatalf("doc.go begins with %.40q: want what an application needs first", part)
	}
	part, _, _ = strings.Cut(part, "\n// Other carriers") // for others
	exported := read(t, "api.txt")
	names := docLink.FindAllStringSubmatch(part, -1)
	for _, m := range names {
		declared := regexp.MustCompile(`(?m)^(type|func|const|var) ` + m[1] + `\b`)
		if m[2] != "" {
			declared = regexp.MustCompile(`(?m)^func \(\w+ \*?` + m[1] + `\) ` + m[2] + `\(`)
		}
		if !declared.MatchString(exported) {
			t.Errorf("doc.go names %s, which there is not: mend the name", m[0])
		}
	}
	if n := len(names); n < 12 || n > 22 {
		t.Errorf("doc.go begins with %d names; want about fifteen", n)
	}
}
