package coatchecktest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/coatchecktest"
)

// A Send has the browser's cookies and the headers, and stays where a redirect
// would lead away.
func TestSend(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/set" {
			http.SetCookie(w, &http.Cookie{Name: "kept", Value: "1", Secure: true})
			http.Redirect(w, r, "/elsewhere", http.StatusSeeOther)
			return
		}
		fmt.Fprint(w, r.Method, " ", r.Host, " ", r.Header["Cookie"], " ", r.Header.Get("Accept-Language"))
	})
	server := httptest.NewServer(h)
	defer server.Close()
	for name, b := range map[string]*coatchecktest.Browser{"handler": coatchecktest.NewHandlerBrowser(h), "server": coatchecktest.NewBrowser(server)} {
		if w := b.Send("POST", "/set"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/elsewhere" || len(w.Result().Cookies()) != 1 {
			t.Errorf("%s: got %d and %v", name, w.Code, w.Header())
		}
		w := b.Send("PUT", "/", "Accept-Language", "fi", "Cookie", "other=2")
		if got := w.Body.String(); !strings.HasPrefix(got, "PUT ") || !strings.Contains(got, "kept=1") || !strings.Contains(got, "other=2") || !strings.HasSuffix(got, " fi") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// What cannot be sent panics with what is wrong.
func TestSendPanics(t *testing.T) {
	t.Parallel()
	b := coatchecktest.NewHandlerBrowser(http.NotFoundHandler())
	for want, send := range map[string]func(){
		"want pairs":          func() { b.Send("GET", "/", "Accept") },
		"invalid method":      func() { b.Send("B AD", "/") },
		"NewBrowser: the ser": func() { coatchecktest.NewBrowser(new(httptest.Server)).Send("GET", "/") },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "coatchecktest: Send: ") || !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}()
			send()
		}()
	}
}
