package token

import (
	"crypto/hmac"
	"crypto/sha256"

	"github.com/coatcheck/coatcheck/cookie"
)

// derivedPurpose follows the purpose of the keys that Derived takes.
const derivedPurpose = ":adopted"

// Derived are tokens that are not random but follow from a text, so that all who
// make one at once make the same. They open as any other (T1 to T4).
type Derived struct {
	keys    Keys
	deriver []cookie.Subkey
}

// NewDerived returns the derived tokens of keys, which New has made of the same
// keyring and purpose.
func NewDerived(keys Keys, keyring *cookie.Keys, purpose string) Derived {
	return Derived{keys, keyring.Derive(purpose + derivedPurpose)}
}

// Len returns how many keys there are; the first is for making.
func (d Derived) Len() int { return len(d.deriver) }

// Seal makes the token of that text under key n, and the id that it opens. Its
// random part is a MAC, so that without the key nobody can tell it from random.
func (d Derived) Seal(n int, text string) (value string, id [sha256.Size]byte) {
	mac := hmac.New(sha256.New, d.deriver[n].Key[:])
	mac.Write([]byte(text))
	var random [randomSize]byte
	copy(random[:], mac.Sum(nil))
	token, id := d.keys.keys[n].seal(&random)
	return spell(&token), id
}
