package coatcheck_test

import (
	"fmt"
	"log"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// ASVS 7.1.1–7.1.3: the policy in force can be written down.
func ExampleManager_Describe() {
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // KeysFromEnv in a program
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{MaxPerUser: 5})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(sessions.Describe())
	// Output:
	// cookie             __Host-Http-sid
	// attributes         Path=/; HttpOnly; Secure; SameSite=Strict
	// user               idle 30m0s, lifetime 12h0m0s, remembered at most 720h0m0s
	// anonymous          idle 30m0s, lifetime 4h0m0s
	// sessions per user  5, another login ends the oldest
	// kept               in the store, by a hash of the token
	// after logout       the browser clears caches and storage of the site
	// from other sites   anonymous, and nothing is written
	// known as           what Host says
	// client address     of the connection
}
