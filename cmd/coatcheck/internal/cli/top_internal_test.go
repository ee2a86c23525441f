package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
)

// On a terminal: aligned by what characters take there, cut where it is narrow,
// and nothing in it steers.
func TestTopTable(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := &snapshot{at: now, sessions: 3, users: 2, visitors: 1, active: 2, began: 1, recent: []coatcheck.Info{
		{Handle: "AAAAAAAAAAAA", User: "安", Device: "Firefox on Linux", Address: "192.0.2.1", LastSeen: now.Add(-3 * time.Second), Created: now.Add(-125 * time.Minute)},
		{Handle: "BBBBBBBBBBBB", User: "bo\x1b[2J", LastSeen: now.Add(time.Second), Created: now.Add(-99 * time.Hour)},
	}}
	got := strings.Join(s.table(2*time.Second), "\n")
	const want = `2026-01-02 03:04:05 UTC, every 2s
3 sessions of 2 users, 1 of visitors; in 5 minutes 2 were active and 1 are new

LAST SEEN  BEGAN  USER    DEVICE            ADDRESS    HANDLE
3s         2h05m  安      Firefox on Linux  192.0.2.1  AAAAAAAAAAAA
0s         4d03h  bo�[2J  -                 -          BBBBBBBBBBBB`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var out strings.Builder
	screen := &screen{w: &out}
	for range 2 {
		if err := screen.draw([]string{"wide 安安安", "short"}, 8); err != nil {
			t.Fatal(err)
		}
	}
	frame := "\x1b[Hwide 安…\x1b[K\nshort\x1b[K\n\x1b[J"
	if got, want := out.String(), "\x1b[2J"+frame+frame; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	if screen.away(errors.New("no route")); !strings.HasSuffix(out.String(), "the store does not answer: no route\n") {
		t.Errorf("got %q", out.String())
	}
}

// Of very many only the rows that were active last are kept, in bounded room.
func TestTopKeepsFew(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &snapshot{}
	for i := range 10_000 {
		info := coatcheck.Info{Handle: fmt.Sprintf("%012d", i), LastSeen: now.Add(time.Duration(i*7919%10_000) * time.Second)}
		if s.recent = append(s.recent, info, info); len(s.recent) > 26 {
			s.cut(3)
		}
	}
	s.cut(3)
	for i, info := range s.recent {
		if want := now.Add(time.Duration(9_999-i) * time.Second); !info.LastSeen.Equal(want) || len(s.recent) != 3 || cap(s.recent) > 100 {
			t.Errorf("%d of %d (room for %d): got %v, want %v", i, len(s.recent), cap(s.recent), info.LastSeen, want)
		}
	}
}
