// Package dbsc makes a copied session cookie useless: Device Bound Session
// Credentials, which bind a session to a key that the browser keeps where malware
// cannot copy it.
//
//	sessions, err := coatcheck.New(store, keys, coatcheck.Config{})
//	…
//	bound, err := dbsc.New(sessions, dbsc.Config{})
//	…
//	mux.Handle("/dbsc/", bound)
//
// A browser that knows the protocol, which today is Chromium, makes a key after
// each login and proves every few minutes that it still has it. From then on the
// session is served only to requests that bring the short-lived cookie of the last
// proof. Browsers that do not know it notice nothing; for them everything is as
// before. It needs HTTPS.
//
// The guide's page on bound sessions says what it protects from and what not.
package dbsc
