package rails

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreign"
)

// saltSize is how much of encrypted_password Devise writes into a session: the version,
// cost and salt of bcrypt. With a new password it is another.
const saltSize = 29

// user is who is logged in by the value of UserKey: itself, or, as Devise writes it, a
// list of a list with the primary key and the beginning of the password's hash.
func (s *Source) user(ctx context.Context, raw json.RawMessage) (string, error) {
	if len(raw) == 0 || raw[0] != '[' {
		return foreign.User(raw)
	}
	var key []json.RawMessage
	var salt string
	login := []any{&key, &salt}
	if json.Unmarshal(raw, &login) != nil || len(login) != 2 || len(key) != 1 {
		return "", bridge.Refused("a user that neither the application nor Devise writes")
	}
	if s.config.EncryptedPassword == nil {
		return "", &bridge.SettingError{Setting: "rails.Config.EncryptedPassword, which is nil,", Want: "a function for Devise"}
	}
	user, err := foreign.User(key[0])
	if user == "" || err != nil {
		return "", err
	}
	now, err := s.salt(ctx, user)
	switch {
	case err != nil:
		return "", err
	case now == "" || subtle.ConstantTimeCompare([]byte(now), []byte(salt)) != 1:
		return "", bridge.ErrEnded // the password is another since, or the user is gone
	}
	return user, nil
}

// salt is what Devise calls authenticatable_salt; empty if there is no such user.
func (s *Source) salt(ctx context.Context, user string) (string, error) {
	hash, err := s.config.EncryptedPassword(ctx, user)
	if err != nil {
		return "", fmt.Errorf("bridge: rails: EncryptedPassword: %w", err)
	}
	return hash[:min(saltSize, len(hash))], nil
}

// userValue is the way back.
func (s *Source) userValue(ctx context.Context, user string) (json.RawMessage, error) {
	raw, err := foreign.UserValue(user, s.config.UserIsNumber)
	if err != nil || s.config.EncryptedPassword == nil {
		return raw, err
	}
	salt, err := s.salt(ctx, user)
	if err != nil {
		return nil, err
	}
	if salt == "" {
		return nil, errors.New("bridge: rails: issue: EncryptedPassword knows no such user")
	}
	return json.Marshal([]any{[]json.RawMessage{raw}, salt})
}
