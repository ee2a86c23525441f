package rails

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
)

// An envelope says what a message is for and when it ends. Before Rails 7.1 the
// message is in base64; what the newer serializer of metadata writes is in data.
type envelope struct {
	Rails *struct {
		Message *string         `json:"message"`
		Data    json.RawMessage `json:"data"`
		Exp     *string         `json:"exp"`
		Pur     *string         `json:"pur"`
	} `json:"_rails"`
}

// unwrap checks purpose and expiry. A message without an envelope is one of Rails
// before 5.2, or of use_cookies_with_metadata = false: Rails takes it as well.
func unwrap(plain []byte, name string) (message []byte, expires time.Time, err error) {
	if err := refuseFormat(plain); err != nil {
		return nil, time.Time{}, err
	}
	var e envelope
	if json.Unmarshal(plain, &e) != nil {
		return nil, time.Time{}, bridge.Refused("contents that are no JSON object")
	}
	if e.Rails == nil {
		return plain, time.Time{}, nil
	}
	if p := e.Rails.Pur; p != nil && *p != "" && *p != "cookie."+name {
		return nil, time.Time{}, &bridge.SettingError{Setting: "rails.Config.Cookie, which is in the purpose of the message,"}
	}
	if e.Rails.Exp != nil {
		expires, err = time.Parse(time.RFC3339Nano, *e.Rails.Exp)
		if err != nil {
			return nil, time.Time{}, bridge.Refused("an expiry that is no time")
		}
		if !time.Now().Before(expires) {
			return nil, expires, bridge.ErrExpired
		}
	}
	message = e.Rails.Data
	if e.Rails.Message != nil {
		message, err = base64.StdEncoding.DecodeString(*e.Rails.Message)
		if err != nil {
			return nil, expires, bridge.Refused("an envelope that is damaged")
		}
	}
	return message, expires, refuseFormat(message)
}

// refuseFormat names the serializers that are not JSON.
func refuseFormat(data []byte) error {
	switch {
	case bytes.HasPrefix(data, []byte("\x04\x08")):
		return bridge.Refused("Marshal: config.action_dispatch.cookies_serializer is :marshal, or was when the cookie was made (:hybrid makes it JSON at the next request there)")
	case bytes.HasPrefix(data, []byte("\xcc\x80")):
		return bridge.Refused("MessagePack: config.action_dispatch.cookies_serializer is :message_pack")
	}
	return nil
}

// wrap is the way back. Rails looks at the order of the names.
func wrap(message []byte, name string, expires time.Time) []byte {
	e := struct {
		Rails struct {
			Message []byte  `json:"message"`
			Exp     *string `json:"exp"`
			Pur     string  `json:"pur"`
		} `json:"_rails"`
	}{}
	e.Rails.Message, e.Rails.Pur = message, "cookie."+name
	if !expires.IsZero() {
		at := expires.UTC().Format("2006-01-02T15:04:05.000Z")
		e.Rails.Exp = &at
	}
	out, _ := json.Marshal(e) // text and times always marshal
	return out
}
