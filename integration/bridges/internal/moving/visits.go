//go:build linux

package moving

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/coatcheck/coatcheck/integration/bridges/internal/visit"
)

// Visits opens browsers at the application that v visits, which keeps its user under
// this name.
func Visits(t testing.TB, v *visit.Visit, userKey string) func() Browser {
	return func() Browser { return &visits{v.Another(), userKey, t} }
}

type visits struct {
	*visit.Visit
	userKey string
	t       testing.TB
}

func (v *visits) Login(user string) {
	v.t.Helper()
	v.Visit.Login(map[string]any{v.userKey: user, "cart": []string{"tea"}})
}

func (v *visits) User() (user string) {
	v.t.Helper()
	raw, ok := v.Show()[v.userKey]
	if !ok || string(raw) == "null" {
		return ""
	}
	if err := json.Unmarshal(raw, &user); err != nil {
		v.t.Fatalf("the user there is %s", raw)
	}
	return user
}

func (v *visits) Take(w *httptest.ResponseRecorder) { v.SetCookies(w.Result().Cookies()...) }
