package cookie_test

import (
	"fmt"

	"github.com/coatcheck/coatcheck/cookie"
)

// Weak secrets are refused before the program serves anything, and keys never
// show in a log.
func ExampleNewKeys() {
	_, err := cookie.NewKeys("dev-secret-key")
	fmt.Println(err)

	keys, err := cookie.NewKeys("mFq7vT2-xL9pRz4Kc8WnYb3JdHs6UgA5eQ1oXiV0tBk") // of KeysFromEnv in a program
	fmt.Println(keys, err)
	// Output:
	// cookie: secret 1 is 14 bytes; want at least 32; make one with `coatcheck keygen`
	// [redacted] <nil>
}
