// Command provider serves an OpenID provider, for tests whose browsers need one in
// a process of its own. It reads its configuration from standard input.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/coatcheck/coatcheck/examples/internal/openid"
)

func main() {
	addr := flag.String("addr", "localhost:0", "listen on `HOST:PORT`")
	issuer := flag.String("issuer", "", "the `URL` at which browsers and applications reach it")
	flag.Parse()

	var cfg openid.Config
	if err := json.NewDecoder(os.Stdin).Decode(&cfg); err != nil {
		log.Fatalf("the configuration on standard input: %v", err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	if *issuer == "" {
		*issuer = "http://" + listener.Addr().String()
	}
	p, err := openid.New(*issuer, cfg)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, p))
}
