package coatcheck

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coatcheck/coatcheck/internal/exact"
)

// A User-Agent names many browsers it is not; the first of these that it
// contains is the one it is.
var browsers = [...]struct{ mark, name string }{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
}

var systems = [...]struct{ mark, name string }{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows", "Windows"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},
}

// appendDevice adds a short label such as "Firefox on Linux" for a list of
// devices. It tells a person which of their devices this may be; it proves
// nothing, since a client sends any User-Agent it likes.
func appendDevice(b []byte, userAgent string) []byte {
	start := len(b)
	for _, browser := range browsers {
		if strings.Contains(userAgent, browser.mark) {
			b = append(b, browser.name...)
			break
		}
	}
	if len(b) == start {
		// curl/8.5, Go-http-client/1.1: the product, as far as it is plain text.
		product, _, _ := strings.Cut(userAgent, "/")
		for i := 0; i < len(product) && i < maxDevice && exact.Plain(product[i:i+1]); i++ {
			b = append(b, product[i])
		}
		return b
	}
	for _, system := range systems {
		if strings.Contains(userAgent, system.mark) {
			b = append(append(b, " on "...), system.name...)
			break
		}
	}
	return b
}

// maxDeviceText bounds what is looked at of what Config.Device returns.
const maxDeviceText = 16 * maxDevice

// deviceLabel is what Config.Device returns as it is kept: what it read may be a
// client's, so it is cut, and holds nothing that steers a terminal, turns text
// around or begins HTML. It is a copy: under Fiber strings change after the
// request.
func deviceLabel(name string) string {
	var kept [maxDevice]byte
	b := kept[:0]
	for _, c := range name[:min(len(name), maxDeviceText)] {
		if c == utf8.RuneError || !unicode.IsPrint(c) || c < utf8.RuneSelf && !exact.Plain([]byte{byte(c)}) {
			continue
		}
		if len(b)+utf8.RuneLen(c) > maxDevice {
			break
		}
		b = utf8.AppendRune(b, c)
	}
	return strings.TrimSpace(string(b))
}
