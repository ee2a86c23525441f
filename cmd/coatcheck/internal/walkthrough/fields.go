package walkthrough

import (
	"errors"
	"net/http"
	"unicode"
	"unicode/utf8"
)

// maxBody bounds what a request may carry: forms of a few words.
const maxBody = 64 << 10

// field returns the one value of a form's field, or answers 400 and false. A
// field that is absent is "". Only a GET reads the query: what stands in a URL
// stands in logs and histories.
func field(w http.ResponseWriter, r *http.Request, name string, valid func(string) bool) (string, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	err := r.ParseForm() // first: ParseMultipartForm does not tell its error
	if err == nil {
		err = r.ParseMultipartForm(maxBody)
	}
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
			answer(w, http.StatusRequestEntityTooLarge, "Form too long: want at most %d bytes", tooLong.Limit)
		} else {
			answer(w, http.StatusBadRequest, "Form cannot be read")
		}
		return "", false
	}
	values := r.PostForm[name]
	if r.Method == http.MethodGet {
		values = r.Form[name]
	}
	value := ""
	switch len(values) {
	case 0:
	case 1:
		value = values[0]
	default:
		answer(w, http.StatusBadRequest, "Form field %s: want it once", name)
		return "", false
	}
	if !valid(value) {
		answer(w, http.StatusBadRequest, "Form field %s: not a valid value", name)
		return "", false
	}
	return value, true
}

// word accepts 1 to 32 letters, digits, hyphens and underscores.
func word(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && c != '_' && !(c >= '0' && c <= '9') && !(c|0x20 >= 'a' && c|0x20 <= 'z') {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// line accepts 1 to max bytes of UTF-8 without control characters.
func line(s string, max int) bool {
	for _, c := range s {
		if unicode.IsControl(c) {
			return false
		}
	}
	return s != "" && len(s) <= max && utf8.ValidString(s)
}
