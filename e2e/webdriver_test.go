package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// webDriver is a session of a browser by WebDriver
// (https://www.w3.org/TR/webdriver2/).
type webDriver struct {
	url string // of the driver, then of the session
}

// startSession asks the driver at url for a browser.
func startSession(ctx context.Context, url string, capabilities any) (*webDriver, map[string]any, error) {
	d := &webDriver{url}
	var session struct {
		ID           string         `json:"sessionId"`
		Capabilities map[string]any `json:"capabilities"`
	}
	err := d.call(ctx, http.MethodPost, "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": capabilities}}, &session)
	d.url += "/session/" + session.ID
	return d, session.Capabilities, err
}

// call runs a command. body and value may be nil.
func (d *webDriver) call(ctx context.Context, method, path string, body, value any) error {
	var send io.Reader
	if method == http.MethodPost {
		if body == nil {
			body = struct{}{}
		}
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, d.url+path, send)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	var answer struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s %s: %d: %w", method, path, resp.StatusCode, err)
	}
	if resp.StatusCode != http.StatusOK {
		var e struct{ Error, Message string }
		json.Unmarshal(answer.Value, &e)
		return fmt.Errorf("%s %s: %s: %s", method, path, e.Error, e.Message)
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(answer.Value, value)
}
