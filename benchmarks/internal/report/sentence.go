package report

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Around the sentence of the README that is made of the results.
const (
	sentenceFrom = "<!-- Measured, as docs/performance.md: written by make bench-all -->\n"
	sentenceTo   = "\n<!-- to here -->"
)

// WithSentence returns the README with what the results say of one request in
// memory, in one sentence. Without those results it stays as it is.
func WithSentence(readme string, r *Results) (string, error) {
	before, rest, found := strings.Cut(readme, sentenceFrom)
	_, after, ended := strings.Cut(rest, sentenceTo)
	if !found || !ended {
		return "", fmt.Errorf("it has no place for the sentence: a line %q, and %q behind it", strings.TrimSpace(sentenceFrom), strings.TrimSpace(sentenceTo))
	}
	text, err := sentence(r)
	if err != nil {
		return "", err
	}
	return before + sentenceFrom + text + sentenceTo + after, nil
}

func sentence(r *Results) (string, error) {
	read, ok := r.Value("Request/coatcheck/read", "ns/op")
	untouched, okToo := r.Value("Request/coatcheck/untouched", "ns/op")
	if !ok || !okToo {
		return "", errors.New("the results have no request that reads, or none that leaves its session alone")
	}
	least, most := math.Inf(1), 0.0
	for _, lib := range []string{"scs", "gorilla", "gin", "fiber"} {
		v, ok := r.Value("Request/"+lib+"/read", "ns/op")
		if !ok {
			return "", fmt.Errorf("the results have no read of %s", lib)
		}
		least, most = min(least, v/read), max(most, v/read)
	}
	irisRead, ok := r.Value("Request/iris/read", "ns/op")
	irisUntouched, okToo := r.Value("Request/iris/untouched", "ns/op")
	if !ok || !okToo {
		return "", errors.New("the results lack iris")
	}
	return fmt.Sprintf("In memory a request that reads one value takes %s ns, and %s to %s times as long with scs, gorilla, gin and fiber; with iris, which hands all requests of a session one live object and so loses what they write at once, "+
		"it takes %s ns, and where the session is left alone %s ns beside our %s.",
		number(read), number(least), number(most), number(irisRead), number(irisUntouched), number(untouched)), nil
}
