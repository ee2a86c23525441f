// Package testvectors holds the test vectors of coatcheck's wire formats, for
// this implementation and for those in other languages. Files are append-only:
// what is in them stays as it is, because cookies made so are in browsers.
//
//   - keys.json: how keys are derived from secrets
//   - signed.json, sealed.json: values of signed and sealed cookies
//   - session-tokens.json, session-records.json: the token and the record
//   - bound-sessions.json: what goes with a session that is bound to a device
//   - adoption-records.json: what a store keeps of sessions of other systems
//   - bridge/: sessions of other systems, as those systems wrote them
//
// docs/spec/cookie.md says what the fields of the first three mean,
// docs/spec/record.md those of the next.
package testvectors

import (
	"embed"
	"io/fs"
)

//go:embed *.json bridge/*.json
var files embed.FS

// Files returns the files. Those of other systems are in the directory bridge.
func Files() fs.FS { return files }
