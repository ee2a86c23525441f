// Command tokenrefresh calls an API with the access token that a login at an OAuth
// server gave, and keeps it in the session. When it has expired and ten requests
// come at once, in whatever processes, one of them refreshes it: a refresh token is
// often good for one use only. The others wait and take the new one.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"

	"golang.org/x/oauth2"
	_ "modernc.org/sqlite"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/sqlstore"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "listen on `HOST:PORT`")
	file := flag.String("db", "sessions.db", "the SQLite `FILE` that all processes share")
	provider := flag.String("provider", "", "the `URL` of the OAuth server and the API behind it")
	flag.Parse()

	keys, err := cookie.KeysFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+*file+"?_pragma=busy_timeout(100)&_pragma=synchronous(FULL)")
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Migrate(context.Background()); err != nil {
		log.Fatal(err)
	}
	sessions, err := coatcheck.New(store, keys, coatcheck.Config{})
	if err != nil {
		log.Fatal(err)
	}
	a := &app{api: *provider + "/api", oauth: &oauth2.Config{
		ClientID: "tokenrefresh",
		Endpoint: oauth2.Endpoint{TokenURL: *provider + "/token", AuthStyle: oauth2.AuthStyleInParams},
	}}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, a.routes(sessions)))
}
