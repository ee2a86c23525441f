package redisstore

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/store"
)

// The format only grows: this value has to be read for ever.
const frozen = "01" + "0102030405060708" + "80038d7ea4c68000" + "80038d7ea4c68001" + "80038d7ea4c68002" +
	"80038d7ea4c67fff" + "7fffffffffffffff" + "04" + "75c3a97b" + "00ff"

func frozenRecord() store.Record {
	at := func(us int64) time.Time { return time.UnixMicro(us).UTC() }
	return store.Record{ID: store.ID{1}, Version: 0x0102030405060708, User: "ué{",
		Seen: at(1e15), Expires: at(1e15 + 1), Deadline: at(1e15 + 2), AuthTime: at(1e15 - 1), Created: at(-1), Data: []byte{0, 255}}
}

func TestFrozenValue(t *testing.T) {
	t.Parallel()
	rec := frozenRecord()
	if got := hex.EncodeToString([]byte(encode(&rec))); got != frozen {
		t.Errorf("encode: got %s, want %s", got, frozen)
	}
	b, err := hex.DecodeString(frozen)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := decode(rec.ID, b); err != nil || !reflect.DeepEqual(v.rec, rec) {
		t.Errorf("decode: got %#v, %v; want %#v", v.rec, err, rec)
	}
}

// FuzzDecode: what is not ours is an error, and what is comes back as it was.
func FuzzDecode(f *testing.F) {
	b, _ := hex.DecodeString(frozen)
	f.Add(b)
	f.Add(append([]byte{kindPending}, append(make([]byte, pendingSize-1), b...)...))
	f.Add(append([]byte{kindTombstone}, make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decode(store.ID{}, b)
		if err == nil && v.kind == kindRecord && encode(&v.rec) != string(b) {
			t.Error("a value that was read is written otherwise")
		}
	})
}

// TestTimeOrder: scripts compare the bytes.
func TestTimeOrder(t *testing.T) {
	t.Parallel()
	times := []int64{math.MinInt64, -62135596800e6, -1, 0, 1, 1e15, 253402300799999999, math.MaxInt64}
	for i, us := range times[1:] {
		if a, b := timeArg(time.UnixMicro(times[i])), timeArg(time.UnixMicro(us)); a >= b {
			t.Errorf("%d is not before %d", times[i], us)
		}
		if got := getTime([]byte(timeArg(time.UnixMicro(us)))); got.UnixMicro() != us {
			t.Errorf("%d comes back as %d", us, got.UnixMicro())
		}
	}
}

// TestScripts: numbers that Go and Lua share.
func TestScripts(t *testing.T) {
	t.Parallel()
	all, err := readScripts()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range all {
		if len(p.source) == 0 || scriptFiles[i].name == "" {
			t.Errorf("script %d is empty", i)
		}
		for _, line := range []string{
			"local DONE, CONFLICT, NOTFOUND, EXISTS, REFUSED, LATE, EXTEND = 0, 1, 2, 3, 4, 5, 6",
			"local LIVE, ENDED, PENDING = 1, 2, 3",
			"local MARGIN = 60000 ",
		} {
			if !strings.Contains(p.source, line) {
				t.Errorf("script %s does not have %q", scriptFiles[i].name, line)
			}
		}
		// lua/prelude.lua says why. The suite runs on miniredis in integration/.
		for _, call := range regexp.MustCompile(`struct\.\w+\(|cjson\.\w+\(|byte\(\w+\)`).FindAllString(p.source, -1) {
			t.Errorf("script %s uses %s, which is another thing on miniredis", scriptFiles[i].name, call)
		}
	}
	if replyExtend != 6 || kindRecord != 1 || kindPending != 3 || margin != time.Minute {
		t.Error("the numbers in Go are others")
	}
	if !bytes.Equal([]byte(versionArg(1)), []byte{0, 0, 0, 0, 0, 0, 0, 1}) {
		t.Error("a version is not big-endian")
	}
}
