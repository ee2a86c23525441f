// Package testvectors holds the test vectors of coatcheck's wire formats, for
// this implementation and for those in other languages. Files are append-only:
// what is in them stays as it is, because cookies made so are in browsers.
//
//   - keys.json: how keys are derived from secrets
//   - signed.json, sealed.json: values of signed and sealed cookies
//
// docs/spec/cookie.md says what their fields mean.
package testvectors

import (
	"embed"
	"io/fs"
)

//go:embed *.json
var files embed.FS

// Files returns the files, in one directory.
func Files() fs.FS { return files }
