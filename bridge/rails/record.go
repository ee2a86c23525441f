package rails

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
	"github.com/coatcheck/coatcheck/bridge/internal/marshal"
)

// private is Rack::Session::SessionId#private_id: what a store knows a session by,
// so that who reads the store has no cookie.
func private(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "2::" + hex.EncodeToString(sum[:])
}

// sessionID reports whether a cookie's value is an id of rack-session: hexadecimal
// digits, 32 unless sidbits says otherwise.
func sessionID(value string) bool {
	if len(value) < 32 || len(value) > 128 {
		return false
	}
	for _, c := range []byte(value) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func (s *Source) openRecord(ctx context.Context, value string) (bridge.Session, error) {
	if err := isRecord(value); err != nil {
		return bridge.Session{}, err
	}
	return s.load(ctx, private(value))
}

// isRecord says why a cookie's value cannot be the id of a record.
func isRecord(value string) error {
	switch {
	case sessionID(value):
		return nil
	case shape(unescape(value)):
		return &bridge.SettingError{Setting: "rails.Config.Redis", Want: "nil, as the cookie is the session,"}
	}
	return bridge.ErrForged
}

// load reads the record with this private id.
func (s *Source) load(ctx context.Context, id string) (bridge.Session, error) {
	data, left, err := s.config.Redis.Get(ctx, s.config.RedisPrefix+id)
	if err != nil {
		return bridge.Session{}, err
	}
	var expires time.Time
	if left >= 0 {
		expires = time.Now().Add(left)
	}
	var values map[string]json.RawMessage
	var refused map[string]string
	if bytes.HasPrefix(data, []byte(marshal.Version)) {
		values, refused, err = marshal.Decode(data)
	} else {
		values, err = decodeJSON(data)
	}
	if err != nil {
		return bridge.Session{}, err
	}
	found, err := s.found(ctx, identity(id), values, refused, expires)
	found.Stored = true
	return found, err
}

func (s *Source) saveRecord(ctx context.Context, id string, values map[string]json.RawMessage, left time.Duration) error {
	data, err := json.Marshal(values)
	if s.config.Marshal {
		data, err = marshal.Encode(values)
	}
	if err != nil {
		return fmt.Errorf("a value is not JSON: %w", err)
	}
	if len(data) > bridge.MaxRecord {
		return fmt.Errorf("the session has %d bytes; want at most %d", len(data), bridge.MaxRecord)
	}
	return s.config.Redis.Set(ctx, s.config.RedisPrefix+private(id), data, left)
}

// dropBrought ends the session that the request brought, under both of its ids, as
// Rack does: before 2.0.8 it had no private one.
func (s *Source) dropBrought(r *http.Request) error {
	value, err := foreign.Cookie(r, s.config.Cookie)
	if err != nil || !sessionID(value) {
		return nil
	}
	return errors.Join(
		s.config.Redis.Del(r.Context(), s.config.RedisPrefix+private(value)),
		s.config.Redis.Del(r.Context(), s.config.RedisPrefix+value),
	)
}

func (s *Source) walk(ctx context.Context, keys bridge.KeyWalker) iter.Seq2[bridge.Session, error] {
	return func(yield func(bridge.Session, error) bool) {
		for key, err := range keys.Keys(ctx, s.config.RedisPrefix+"2::") {
			if err != nil {
				yield(bridge.Session{}, fmt.Errorf("bridge: rails: all sessions: %w", err))
				return
			}
			id := strings.TrimPrefix(key, s.config.RedisPrefix)
			session, err := s.load(ctx, id)
			session.ID = identity(id)
			if !yield(session, err) || err != nil && !bridge.Skips(err) {
				return
			}
		}
	}
}
