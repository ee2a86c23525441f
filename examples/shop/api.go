package main

import (
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/cors"

	"github.com/coatcheck/coatcheck"
)

// api is for scripts: ours, and those of the partner's pages. The partner is of
// our site (such as https://partner.shop.example), so that the Strict cookie comes
// along. CORS goes around the sessions: a preflight has none, and an answer of 401
// needs the headers too, or the script is told of a network error.
func (s *shop) api(r chi.Router) {
	if s.partner != "" {
		r.Use(cors.Handler(cors.Options{
			AllowedOrigins: []string{s.partner}, AllowCredentials: true,
			AllowedMethods: []string{"GET", "POST"}, AllowedHeaders: []string{"Content-Type"},
		}))
	}
	r.Use(s.sessions.Handler, s.sessions.RequireLogin)
	r.Get("/me", s.do(func(w http.ResponseWriter, r *http.Request) error {
		return answer(w, map[string]string{"user": coatcheck.From(r.Context()).User()})
	}))
	r.Get("/cart", s.do(func(w http.ResponseWriter, r *http.Request) error {
		b, _ := cart.Get(coatcheck.From(r.Context()))
		return answer(w, b.Goods)
	}))
	r.Post("/cart", s.do(func(w http.ResponseWriter, r *http.Request) error {
		var wanted map[string]int
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&wanted); err != nil {
			return refusal{http.StatusBadRequest, `want goods and how many, as in {"Hat": 1}`}
		}
		for what, n := range wanted {
			if _, ok := prices[what]; !ok || n < -100 || n > 100 {
				return refusal{http.StatusBadRequest, "want what we sell, at most 100"}
			}
		}
		return answer(w, cart.Update(coatcheck.From(r.Context()), add(wanted)).Goods)
	}))
}

func answer(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(text) // an error is the client's absence
	return nil
}
