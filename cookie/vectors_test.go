package cookie_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/testvectors"
)

var update = flag.Bool("update", false, "add new vectors to testvectors; those that are there stay as they are")

// vectorDir is where -update writes.
var vectorDir = filepath.Join("..", "testvectors")

// A vector is one cookie value and what reading it gives.
type vector struct {
	ID          string   `json:"id"`
	Says        string   `json:"says"`
	Rules       []string `json:"rules"`
	Secrets     []string `json:"secrets"`
	Application string   `json:"application"`
	Name        string   `json:"name"`
	MaxAge      int64    `json:"max_age"` // of the declaration that reads, in seconds
	Now         int64    `json:"now"`     // Unix seconds
	Value       string   `json:"value"`
	Subkey      string   `json:"subkey,omitempty"` // sealed: the key of the hour, hexadecimal
	Payload     string   `json:"payload,omitempty"`
	Fallback    bool     `json:"fallback,omitempty"`
	Error       string   `json:"error,omitempty"`  // absent, expired or forged
	Reason      string   `json:"reason,omitempty"` // ours; others may find another first
}

// A keyVector is a key derived from a secret.
type keyVector struct {
	ID          string `json:"id"`
	Says        string `json:"says"`
	Secret      string `json:"secret"`
	Application string `json:"application"`
	Purpose     string `json:"purpose"`
	KeyID       string `json:"key_id"`
	Key         string `json:"key"`
}

func (v vector) id() string    { return v.ID }
func (v keyVector) id() string { return v.ID }

type vectorFile[V interface{ id() string }] struct {
	Spec  string `json:"spec"`
	Cases []V    `json:"cases"`
}

// load returns the vectors of a file, after adding to it, with -update, those of
// want whose id it does not have.
func load[V interface{ id() string }](t *testing.T, name string, want []V) []V {
	t.Helper()
	b, err := fs.ReadFile(testvectors.Files(), name)
	if err != nil && !(*update && errors.Is(err, fs.ErrNotExist)) {
		t.Fatal(err)
	}
	f := vectorFile[V]{Spec: "docs/spec/cookie.md"}
	if err == nil {
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
	}
	have := map[string]bool{}
	for _, v := range f.Cases {
		if have[v.id()] {
			t.Errorf("%s has %s twice", name, v.id())
		}
		have[v.id()] = true
	}
	for _, v := range want {
		if !have[v.id()] {
			if !*update {
				t.Errorf("%s lacks %s; run the test with -update", name, v.id())
			}
			f.Cases = append(f.Cases, v)
		}
	}
	if *update {
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(f); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(vectorDir, name), out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return f.Cases
}

func TestKeyVectors(t *testing.T) {
	for _, v := range load(t, "keys.json", newKeyVectors(t)) {
		got := newKeys(t, v.Secret).Application(v.Application).Derive(v.Purpose)[0]
		if id := hex.EncodeToString(got.ID[:]); id != v.KeyID {
			t.Errorf("%s: got key id %s, want %s", v.ID, id, v.KeyID)
		}
		if key := hex.EncodeToString(got.Key[:]); key != v.Key {
			t.Errorf("%s: got key %s, want %s", v.ID, key, v.Key)
		}
	}
}

func TestVectors(t *testing.T) {
	for _, k := range kinds {
		for _, v := range load(t, k.name+".json", newVectors(t, k.version)) {
			t.Run(v.ID, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					time.Sleep(time.Until(time.Unix(v.Now, 0)))
					c := k.declare(v.Name, newKeys(t, v.Secrets...).Application(v.Application), cookie.Policy{MaxAge: time.Duration(v.MaxAge) * time.Second})
					checkVector(t, v, c)
				})
			})
		}
	}
}

func checkVector(t *testing.T, v vector, c cookie.Cookie[json.RawMessage]) {
	w := newRecorder()
	got, err := c.Refresh(w, request(v.Name+"="+v.Value))
	switch v.Error {
	case "":
		if err != nil || string(got) != v.Payload {
			t.Errorf("%s: got %s, %v, want %s", v.Says, got, err, v.Payload)
		}
		if refreshed := len(w.Header()) > 0; refreshed != v.Fallback {
			t.Errorf("%s: read under a fallback: got %t, want %t", v.Says, refreshed, v.Fallback)
		}
	case "expired":
		if err != cookie.ErrExpired {
			t.Errorf("%s: got %v, want ErrExpired", v.Says, err)
		}
	case "forged":
		refused(t, v.Says, err, v.Reason)
	default:
		t.Errorf("unknown error %q", v.Error)
	}
	// A signed frame has no chance in it: making it again gives the same.
	if strings.HasPrefix(v.ID, "signed-issue") {
		if got := set(t, c, json.RawMessage(v.Payload)); got != v.Name+"="+v.Value {
			t.Errorf("%s: making it: got %s, want %s", v.Says, got, v.Name+"="+v.Value)
		}
	}
}
