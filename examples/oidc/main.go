// Command oidc signs people in who come back from elsewhere: from an OpenID provider,
// by the code flow or by form_post, and by a link in a mail. On the way back the
// browser keeps the session's cookie to itself, because another site leads here;
// docs/guide/signing-in-elsewhere.md tells what to do about that. The provider's
// logout tokens end the sessions that began there.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "listen on `HOST:PORT`")
	site := flag.String("url", "http://localhost:8080", "the `URL` at which browsers reach this program")
	issuer := flag.String("issuer", "", "the `URL` of the OpenID provider, which knows this program by -client and CLIENT_SECRET")
	client := flag.String("client", "oidc", "this program's `NAME` there")
	outbox := flag.String("outbox", "outbox", "the `FOLDER` that a mail server takes mails from")
	flag.Parse()

	keys, err := cookie.KeysFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	if err := os.MkdirAll(*outbox, 0o700); err != nil {
		log.Fatal(err)
	}
	a, err := newApp(context.Background(), settings{
		site: *site, issuer: *issuer, client: *client, secret: os.Getenv("CLIENT_SECRET"), keys: keys, http: http.DefaultClient,
		send:   func(m letter) error { return post(*outbox, m) },
		events: coatcheck.LogEvents(slog.Default()),
	}, memstore.New(memstore.Config{}))
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, a.handler()))
}

// A letter is a mail with one link.
type letter struct {
	to   *mail.Address
	link string
}

// post leaves a letter where a mail server finds it, whole or not at all.
func post(folder string, m letter) error {
	text := fmt.Sprintf("To: %s\r\nSubject: Log in\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThis link logs you in, once and for ten minutes:\r\n%s\r\n", m.to, m.link)
	name := filepath.Join(folder, rand.Text())
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name+".eml")
}
