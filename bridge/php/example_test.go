//go:build unix

package php_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/php"
)

// PHP's own sessions, in the folder of session.save_path.
func Example() {
	dir, err := os.MkdirTemp("", "sessions")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	old, err := php.New(php.Config{Store: php.Files(dir), UserKey: "user_id", NumericUser: true})
	if err != nil {
		fmt.Println(err)
		return
	}

	// After a login here PHP has $_SESSION["user_id"] === 123.
	w := httptest.NewRecorder()
	if err := old.Issue(w, httptest.NewRequest(http.MethodPost, "/login", nil), bridge.Session{User: "123"}); err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	s, err := old.Read(r)
	fmt.Println(s.User, err)
	// Output: 123 <nil>
}
