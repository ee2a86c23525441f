package scs_test

import (
	"database/sql"
	"fmt"
	"net/http"

	"github.com/coatcheck/coatcheck/bridge/scs"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/sqlstore"
)

// Who is logged in at an application on scs that keeps its sessions in PostgreSQL.
func Example() {
	whoIsThere := func(db *sql.DB) http.HandlerFunc {
		table, err := scs.SQL(db, sqlstore.PostgreSQL, "")
		if err != nil {
			panic(err)
		}
		old, err := scs.New(scs.Config{Store: table, UserKey: "userID", Policy: cookie.Policy{SameSite: http.SameSiteLaxMode}})
		if err != nil {
			panic(err)
		}
		return func(w http.ResponseWriter, r *http.Request) {
			if s, err := old.Read(r); err == nil {
				fmt.Fprintf(w, "user %s until %s", s.User, s.Expires)
			}
		}
	}
	_ = whoIsThere
}
