package cookie_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/cookie"
)

func TestWeakSecrets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, secret, want string
	}{
		{"empty", "", "is 0 bytes"},
		{"31 bytes", secretA[:31], "is 31 bytes; want at least 32"},
		{"one byte over and over", strings.Repeat("x", 40), "has 1 different bytes"},
		{"9 different", "abcdefghi" + strings.Repeat("ihgfedcba", 3), "has 9 different bytes; want at least 10"},
		{"the chapter's, repeated", strings.Repeat("dev-secret-key-", 3), "repeats itself"},
		{"the chapter's, padded", "dev-secret-key" + strings.Repeat("0", 30), "known placeholder"},
		{"the chapter's, counted up", "dev-secret-key-0123456789-0123456789", "known placeholder"},
		{"capitals", "DEV_SECRET_KEY_PLEASE_CHANGE_ME_NOW_OK", "known placeholder"},
		{"changeme", "changeme-changeme-changeme-CHANGEME-1", "known placeholder"},
		{"change this", "please-change-this-to-a-long-random-string", "known placeholder"},
		{"your secret", "your-256-bit-secret-key-goes-here!!", "known placeholder"},
		{"32 bytes", "the-key-has-to-be-32-bytes-long!", "known placeholder"},
		{"super", "super-secret-session-key-do-not-use-in-production", "known placeholder"},
		{"keyboard cat", "keyboard cat keyboard cat 1234567890", "known placeholder"},
		{"alphabet", "abcdefghijklmnopqrstuvwxyz0123456789", "known placeholder"},
		{"hexadecimal digits", "0123456789abcdef0123456789abcdef", "repeats itself"},
		{"16 bytes twice", secretA[:16] + secretA[:16], "repeats itself"},
		{"31 bytes and again", secretA[:31] + secretA[:31], "repeats itself"},
		{"Django's", "django-insecure-" + secretA, "known placeholder"},
	} {
		_, err := cookie.NewKeys(tt.secret)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an error with %q", tt.name, err, tt.want)
		}
		if err != nil && tt.secret != "" && strings.Contains(err.Error(), tt.secret) {
			t.Errorf("%s: the error shows the secret: %v", tt.name, err)
		}
	}
}

func TestGoodSecrets(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{
		secretA, secretB, secretC,
		"9f86d081884c7d659a2feaa0c55ad015",              // 32 hexadecimal digits
		"a secret key nobody guesses: zk4Qw8Lp0RtVx2Yb", // words and 16 random bytes
		"\x00\x01\xfe\x80" + secretA[:28],               // not text
		secretA[:32] + secretA[:32],                     // a whole secret twice is no weaker than once
	} {
		if _, err := cookie.NewKeys(secret); err != nil {
			t.Errorf("got %v, want no error", err)
		}
	}
}

func TestNewKeysRefusesDoubles(t *testing.T) {
	t.Parallel()
	if _, err := cookie.NewKeys(); err == nil || !strings.Contains(err.Error(), "coatcheck keygen") {
		t.Errorf("no secret: got %v, want an error that says how to make one", err)
	}
	_, err := cookie.NewKeys(secretA, secretB, secretA)
	if err == nil || !strings.Contains(err.Error(), "secret 3 is the same as secret 1") {
		t.Errorf("a secret twice: got %v", err)
	}
	if _, err := cookie.NewKeys(secretA, secretB[:8]); err == nil || !strings.Contains(err.Error(), "secret 2 is 8 bytes") {
		t.Errorf("a weak fallback: got %v", err)
	}
}

func TestKeysFromEnv(t *testing.T) {
	file := func(content string) string {
		name := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, tt := range []struct {
		name                 string
		key, fallbacks, file string
		want                 []string // secrets
		err                  string
	}{
		{name: "none", err: "coatcheck keygen"},
		{name: "one", key: secretA, want: []string{secretA}},
		{name: "fallbacks", key: secretA, fallbacks: secretB + "," + secretC, want: []string{secretA, secretB, secretC}},
		{name: "fallbacks alone", fallbacks: secretB, err: "SECRET_KEY is not"},
		{name: "comma", key: secretA + "," + secretB, err: "SECRET_KEY has a comma"},
		{name: "empty fallback", key: secretA, fallbacks: secretB + ",", err: "SECRET_KEY_FALLBACKS secret 2 is 0 bytes"},
		{name: "space after the comma", key: secretA, fallbacks: secretB + ", " + secretC, err: "SECRET_KEY_FALLBACKS secret 2 has white space"},
		{name: "newline", key: secretA + "\n", err: "SECRET_KEY has white space"},
		{name: "weak", key: "dev-secret-key", err: "SECRET_KEY is 14 bytes"},
		{name: "weak fallback", key: secretA, fallbacks: "changeme", err: "SECRET_KEY_FALLBACKS secret 1 is 8 bytes"},
		{name: "file", file: file(secretA), want: []string{secretA}},
		{name: "file with newline", file: file(secretA + "\n"), want: []string{secretA}},
		{name: "file with two", file: file(secretA + "\n" + secretB + "\n"), want: []string{secretA, secretB}},
		{name: "a comma in a file is part of the secret", file: file(secretA + ",x\n"), want: []string{secretA + ",x"}},
		{name: "file with two newlines", file: file(secretA + "\n\n"), err: "line 2 is 0 bytes"},
		{name: "file from Windows", file: file(secretA + "\r\n"), err: "line 1 has white space"},
		{name: "empty file", file: file(""), err: "line 1 is 0 bytes"},
		{name: "large file", file: file(strings.Repeat(secretA+"\n", 2000)), err: "more than 65536 bytes"},
		{name: "no file", file: filepath.Join(t.TempDir(), "none"), err: "SECRET_KEY_FILE: open"},
		{name: "file and key", key: secretA, file: file(secretA), err: "one or the other"},
		{name: "file and fallbacks", fallbacks: secretA, file: file(secretA), err: "one or the other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("SECRET_KEY", tt.key)
			t.Setenv("SECRET_KEY_FALLBACKS", tt.fallbacks)
			t.Setenv("SECRET_KEY_FILE", tt.file)
			keys, err := cookie.KeysFromEnv()
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want an error with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// Equal derived keys mean equal secrets in equal order.
			got, want := keys.Derive("test"), newKeys(t, tt.want...).Derive("test")
			if len(got) != len(want) {
				t.Fatalf("got %d keys, want %d", len(got), len(want))
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("key %d is not of the secret expected there", i+1)
				}
			}
		})
	}
}

// C2, C3: the id is of the secret alone; the key is of secret, purpose and
// application, with no two lists of names running together (C1).
func TestDerive(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, secretA, secretB)
	base := keys.Derive("purpose")
	if len(base) != 2 {
		t.Fatalf("got %d keys of 2 secrets", len(base))
	}
	seen := map[[32]byte]string{}
	for _, tt := range []struct{ app, purpose string }{
		{"", ""}, {"", "purpose"}, {"app", "purpose"}, {"app", ""}, {"purpose", ""},
		{"ab", "c"}, {"a", "bc"}, {"c", "ab"}, {"bc", "a"}, {"", "abc"}, {"abc", ""},
		{"", "kid"}, {"", "a\x00\x00\x00\x00"}, {"\x00", "a"},
	} {
		for i, k := range keys.Application(tt.app).Derive(tt.purpose) {
			if k.ID != base[i].ID {
				t.Errorf("%q: the id of secret %d is not its own", tt, i+1)
			}
			if other, ok := seen[k.Key]; ok {
				t.Errorf("%q and %s have one key", tt, other)
			}
			seen[k.Key] = tt.app + "/" + tt.purpose
		}
	}
	if got := keys.Application("app").Application("").Derive("purpose"); got[0] != base[0] || got[1] != base[1] {
		t.Error("the application with the empty name is not the default")
	}
	if got := newKeys(t, secretB, secretA).Derive("purpose"); got[0] != base[1] || got[1] != base[0] {
		t.Error("the keys are not in the order of the secrets")
	}
}

// The values that another implementation must get are in the test vectors; this
// one fixes the ids, which operators see.
func TestKeyID(t *testing.T) {
	t.Parallel()
	id := newKeys(t, secretA).Derive("any")[0].ID
	if got := hex.EncodeToString(id[:]); got != secretAID {
		t.Errorf("got key id %s, want %s", got, secretAID)
	}
}

func TestNoKeys(t *testing.T) {
	t.Parallel()
	var none *cookie.Keys
	for name, keys := range map[string]*cookie.Keys{"nil": none, "nil, other application": none.Application("x"), "zero": {}} {
		if got := keys.Derive("x"); len(got) != 0 {
			t.Errorf("%s: got %d keys, want none", name, len(got))
		}
		for kind, err := range map[string]error{
			"signed": cookie.NewSigned[int]("n", keys, cookie.Policy{}).Err(),
			"sealed": cookie.NewSealed[int]("n", keys, cookie.Policy{}).Err(),
		} {
			if err == nil || !strings.Contains(err.Error(), "has no keys") {
				t.Errorf("%s, %s: got %v, want an error that says there are no keys", name, kind, err)
			}
		}
	}
}
