package integration_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/internal/overlay"
)

// watched makes the library write down what it issues and what it says, for the
// length of a run: every token, id, key and cookie that holds a session into one
// file, every event, every error and the bodies of answers into another. What a
// test prints comes on top. No test can forget to report its tokens.
var watched = []overlay.Edit{
	{File: "cookie/watched.go", New: `package cookie

import (
	"encoding/hex"
	"os"
	"sync"
)

var (
	watching sync.Mutex
	files    = make(map[string]*os.File)
)

func note(file, line string) {
	if name := os.Getenv(file); name != "" {
		watching.Lock()
		defer watching.Unlock()
		if files[name] == nil {
			f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				panic(err)
			}
			files[name] = f
		}
		files[name].WriteString(line + "\n")
	}
}

func Issued(kind string, secret []byte) { note("COATCHECK_ISSUED", kind+" "+hex.EncodeToString(secret)) }
func Said(text string)                  { note("COATCHECK_SAID", text) }
`},
	{File: "cookie/keys.go", Old: "	x.prk = prk\n", New: "	x.prk = prk\n	Issued(\"secret\", []byte(secret))\n	Issued(\"prk\", prk)\n"},
	{File: "cookie/keys.go", Old: "		copy(keys[i].Key[:], key)\n", New: "		copy(keys[i].Key[:], key)\n		Issued(\"key\", key)\n"},
	{File: "cookie/errors.go", Old: "func (e *ForgedError) Error() string {\n", New: "func (e *ForgedError) Error() string {\n	Said(e.Name + e.Reason)\n"},
	{File: "internal/token/token.go", Old: "	return token, idOf(random[:])\n",
		New: "	id = idOf(random[:])\n	cookie.Issued(\"random\", token[5:headSize])\n	cookie.Issued(\"mac\", token[headSize:])\n	cookie.Issued(\"token\", []byte(spell(&token))[8:])\n	cookie.Issued(\"id\", id[:])\n	return token, id\n"},
	{File: "incookie.go", Old: "		return b, fmt.Errorf(\"%w: %w\", ErrTooLarge, err)\n	}\n",
		New: "		return b, fmt.Errorf(\"%w: %w\", ErrTooLarge, err)\n	}\n	cookie.Issued(\"cookie\", []byte(value[20:]))\n	cookie.Issued(\"id\", rec.ID[:])\n"},
	{File: "event.go", Old: "	e.Time, e.Context = time.Now().UTC(), context.WithoutCancel(ctx)\n",
		New: "	e.Time, e.Context = time.Now().UTC(), context.WithoutCancel(ctx)\n	cookie.Said(fmt.Sprintf(\"%v %+v %#v %v\", e, e, e, e.Err))\n"},
	{File: "event.go", Old: "	\"errors\"\n", New: "	\"errors\"\n	\"fmt\"\n"},
	{File: "session.go", Old: "	s.setErr(err)\n	if !told {\n", New: "	s.setErr(err)\n	cookie.Said(err.Error())\n	if !told {\n"},
	{File: "session.go", Old: "	\"github.com/coatcheck/coatcheck/store\"\n", New: "	\"github.com/coatcheck/coatcheck/cookie\"\n	\"github.com/coatcheck/coatcheck/store\"\n"},
	// The bodies of answers: a token leaves in Set-Cookie alone.
	{File: "coatchecktest/browser.go", Old: "	h.ServeHTTP(w, in)\n", New: "	h.ServeHTTP(w, in)\n	cookie.Said(w.Body.String())\n"},
	{File: "coatchecktest/browser.go", Old: "	\"github.com/coatcheck/coatcheck/internal/passedby\"\n", New: "	\"github.com/coatcheck/coatcheck/cookie\"\n	\"github.com/coatcheck/coatcheck/internal/passedby\"\n"},
	{File: "console/site_test.go", Old: "	return answer{res.StatusCode, res.Header, string(b)}\n", New: "	cookie.Said(string(b))\n	return answer{res.StatusCode, res.Header, string(b)}\n"},
	{File: "cmd/coatcheck/internal/cli/server_test.go", Old: "	return s.log.Write(b)\n", New: "	os.Stdout.Write(b)\n	return s.log.Write(b)\n"},
}

// talkative are the packages whose tests log in.
var talkative = []string{".", "./promises", "./cookie", "./attack", "./coatchecktest", "./console", "./sealedstore", "./telemetry", "./cmd/coatcheck/internal/walkthrough", "./cmd/coatcheck/internal/cli"}

// G13: No token, id or key in any log, error, `%v`, JSON or panic: the whole
// output of the tests, with every event and error of theirs, is searched for
// every token, id and key that they issued. ASVS 16.2.5
func TestNothingIssuedIsPrinted(t *testing.T) {
	t.Parallel()
	said, issued := leakRun(t, watched)
	n := searchLeaks(t, said, issued, t.Errorf)
	t.Logf("%d secrets issued, %d bytes said", n, len(said))
	if n < 10_000 || len(said) < 1<<20 {
		t.Error("so little proves nothing")
	}
}

// The search finds what it should: an event with part of a token, an error with
// an id in hexadecimal, a key in base64.
func TestLeaksAreFound(t *testing.T) {
	t.Parallel()
	said, issued := leakRun(t, append([]overlay.Edit{
		{File: "request.go", Old: `s.x.event(Event{Kind: Expired, Handle: id.Handle(), Reason: reasonForgotten})`, New: `s.x.event(Event{Kind: Expired, Handle: id.Handle(), Reason: leak(s)})`},
		{File: "request.go", Old: "func isAbsent(", New: "func leak(s *Session) string { v, _ := s.x.m.sid.Read(s.x.r.Header); return v[11:30] }\n\nfunc isAbsent("},
		{File: "commit.go", Old: `return fmt.Errorf("coatcheck: commit session: %w", err)`, New: `return fmt.Errorf("coatcheck: commit session %x: %w", c.rec.ID[:9], err)`},
		{File: "internal/token/token.go", Old: "		secret := sub.Key\n", New: "		secret := sub.Key\n		cookie.Said(base64.StdEncoding.EncodeToString(secret[1:]))\n"},
	}, watched...), "-run", "TestG2|TestG5")
	found := make(map[string]int)
	searchLeaks(t, said, issued, func(_ string, args ...any) { found[args[0].(string)]++ })
	if found["token"] == 0 || found["id"] == 0 || found["key"] == 0 {
		t.Errorf("found %v, want a token, an id and a key", found)
	}
}

// leakRun runs the tests of the talkative packages with edits, and returns all
// that they said and the file of what they issued.
func leakRun(t *testing.T, edits []overlay.Edit, args ...string) (said []byte, issued string) {
	t.Helper()
	dir := t.TempDir()
	list, err := overlay.Write("..", dir, edits...)
	if err != nil {
		t.Fatalf("%v: mend the edit in this file", err)
	}
	packages := talkative
	if len(args) > 0 {
		packages = []string{"./promises"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	// What the watching costs is no finding.
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"test", "-vet=off", "-v", "-count=1", "-timeout", "19m", "-skip", "Alloc", "-overlay", list}, args...), packages...)...)
	cmd.Dir = ".."
	issued = filepath.Join(dir, "issued")
	cmd.Env = append(os.Environ(), "COATCHECK_ISSUED="+issued, "COATCHECK_SAID="+filepath.Join(dir, "said"))
	out, err := cmd.CombinedOutput()
	if err != nil && len(args) == 0 {
		t.Fatalf("%v\n%s", err, out[max(0, len(out)-4000):])
	}
	text, err := os.ReadFile(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	return append(out, text...), issued
}

// window is how much of a secret must not be seen.
const window = 12

// windows are all parts of that length of a text, by 32 bits of a hash: what is in them
// is looked for in the text. The race detector, which would follow each of some hundred
// million steps, is told to leave it out.
type windows struct {
	marks []uint32 // 0 is none; there are at least twice as many as windows
	mask  uint64
}

//go:norace
func windowsOf(text []byte) windows {
	size := uint64(1) << bits.Len(uint(2*len(text)))
	w := windows{make([]uint32, size), size - 1}
	for i := 0; i+window <= len(text); i++ {
		at, mark := w.place(text[i:])
		for ; w.marks[at] != 0 && w.marks[at] != mark; at = (at + 1) & w.mask {
		}
		w.marks[at] = mark
	}
	return w
}

//go:norace
func (w windows) place(part []byte) (at uint64, mark uint32) {
	h := binary.LittleEndian.Uint64(part)*0x9e3779b97f4a7c15 ^ uint64(binary.LittleEndian.Uint32(part[8:]))*0xd6e8feb86659fd93
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h & w.mask, uint32(h>>32) | 1
}

// has reports whether the text may have the first bytes of part.
//
//go:norace
func (w windows) has(part []byte) bool {
	at, mark := w.place(part)
	for ; w.marks[at] != 0; at = (at + 1) & w.mask {
		if w.marks[at] == mark {
			return true
		}
	}
	return false
}

// firstSeen returns where the first part of so many bytes begins that the text may have,
// from there on, and otherwise -1.
//
//go:norace
func (w windows) firstSeen(text []byte, from, least int) int {
	for i := from; i+least <= len(text); i++ {
		if w.has(text[i:]) {
			return i
		}
	}
	return -1
}

// searchLeaks looks for every part of 12 characters of every secret, in every
// spelling, and returns the number of secrets.
func searchLeaks(t *testing.T, said []byte, issued string, report func(string, ...any)) int {
	t.Helper()
	seen := windowsOf(said)
	f, err := os.Open(issued)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	done := make(map[string]bool)
	reported := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		kind, text, _ := strings.Cut(lines.Text(), " ")
		if done[text] {
			continue
		}
		done[text] = true
		secret, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range leakForms(kind, secret) {
			for i := seen.firstSeen(form.text, 0, form.least); i >= 0; i = seen.firstSeen(form.text, i+1, form.least) {
				part := form.text[i : i+form.least]
				at := bytes.Index(said, part)
				if at < 0 {
					continue
				}
				if reported++; reported <= 100 {
					report("a %s is in the output, as %q: %q", kind, part, said[max(0, at-150):min(len(said), at+100)])
				}
				break
			}
		}
	}
	return len(done)
}

// A leakForm is a secret as a text may have it, and how much of that cannot be
// there by chance.
type leakForm struct {
	text  []byte
	least int
}

func leakForms(kind string, secret []byte) []leakForm {
	forms := []leakForm{{secret, window}}
	if kind == "token" || kind == "cookie" || kind == "secret" { // text already
		return forms
	}
	add := func(text string, least int) { forms = append(forms, leakForm{[]byte(text), least}) }
	add(hex.EncodeToString(secret), window)
	add(strings.ToUpper(hex.EncodeToString(secret)), window)
	for _, between := range []string{" ", ",", ", "} {
		add(strings.ReplaceAll(strings.Trim(fmt.Sprint(secret), "[]"), " ", between), 30)
	}
	for from := range 3 { // wherever in a longer text it may begin
		add(base64.RawURLEncoding.EncodeToString(secret[from:]), window)
		add(base64.RawStdEncoding.EncodeToString(secret[from:]), window)
	}
	return forms
}
