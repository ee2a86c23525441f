package coatcheck_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// A key says once what type a value has; any type that JSON can hold will do.
func ExampleKey() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	type address struct{ Street, City string }
	home := coatcheck.NewKey[address]("home") // usually a package variable

	mux := http.NewServeMux()
	mux.HandleFunc("/move", func(_ http.ResponseWriter, r *http.Request) {
		home.Set(coatcheck.From(r.Context()), address{"Main Street 1", "Springfield"})
	})
	mux.HandleFunc("/where", func(w http.ResponseWriter, r *http.Request) {
		a, ok := home.Get(coatcheck.From(r.Context()))
		fmt.Fprintf(w, "%q %t\n", a.City, ok)
	})

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	fmt.Print(b.Send("GET", "/where").Body)
	b.Send("POST", "/move")
	fmt.Print(b.Send("GET", "/where").Body)
	// Output:
	// "" false
	// "Springfield" true
}

// A code that was sent by mail is worth something for ten minutes.
func ExampleKey_SetFor() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	code := coatcheck.NewKey[string]("code")
	mux := http.NewServeMux()
	mux.HandleFunc("/send", func(_ http.ResponseWriter, r *http.Request) {
		code.SetFor(coatcheck.From(r.Context()), "123456", 10*time.Minute)
	})
	mux.HandleFunc("/verify", func(w http.ResponseWriter, r *http.Request) {
		// Pop: a code is good for one try.
		sent, ok := code.Pop(coatcheck.From(r.Context()))
		fmt.Fprintln(w, ok && sent == r.FormValue("code"))
	})

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	b.Send("POST", "/send")
	fmt.Print(b.Send("POST", "/verify?code=123456").Body)
	fmt.Print(b.Send("POST", "/verify?code=123456").Body)
	// Output:
	// true
	// false
}

// Update loses no increment, however many requests run at once.
func ExampleKey_Update() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	visits := coatcheck.NewKey[int]("visits")
	b := coatchecktest.NewHandlerBrowser(sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := visits.Update(coatcheck.From(r.Context()), func(n int) int { return n + 1 })
		fmt.Fprintln(w, "Visit", n)
	})))
	for range 3 {
		fmt.Print(b.Send("GET", "/").Body)
	}
	// Output:
	// Visit 1
	// Visit 2
	// Visit 3
}

// Append keeps what other requests append at the same time.
func ExampleAppend() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	cart := coatcheck.NewKey[[]string]("cart")
	b := coatchecktest.NewHandlerBrowser(sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		coatcheck.Append(s, cart, r.FormValue("item"))
		items, _ := cart.Get(s)
		fmt.Fprintln(w, items)
	})))
	fmt.Print(b.Send("POST", "/?item=tea").Body)
	fmt.Print(b.Send("POST", "/?item=cups").Body)
	// Output:
	// [tea]
	// [tea cups]
}

// A message for the next page, shown once.
func ExampleSession_Flash() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /save", func(w http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Flash("Saved.")
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, coatcheck.From(r.Context()).Flashes())
	})

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	fmt.Println(b.Send("POST", "/save").Code)
	fmt.Print(b.Send("GET", "/").Body)
	fmt.Print(b.Send("GET", "/").Body)
	// Output:
	// 303
	// [Saved.]
	// []
}

// What somebody typed into a form that was refused is kept for the page that
// shows the form again, but never a password.
func ExampleKey_SetFor_formInput() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	type signup struct {
		Name, Mail string
		Wrong      map[string]string // by field
	}
	refused := coatcheck.NewKey[signup]("form:signup")

	mux := http.NewServeMux()
	mux.HandleFunc("POST /signup", func(w http.ResponseWriter, r *http.Request) {
		form := signup{Name: r.FormValue("name"), Mail: r.FormValue("mail")}
		form.Wrong = map[string]string{"mail": "Is that an address?"}
		refused.SetFor(coatcheck.From(r.Context()), form, 10*time.Minute)
		http.Redirect(w, r, "/signup", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /signup", func(w http.ResponseWriter, r *http.Request) {
		form, _ := refused.Pop(coatcheck.From(r.Context())) // empty at the first visit
		fmt.Fprintf(w, "name=%q mail=%q wrong=%q\n", form.Name, form.Mail, form.Wrong["mail"])
	})

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	fmt.Print(b.Send("GET", "/signup").Body)
	fmt.Println(b.Send("POST", "/signup?name=Ada&mail=ada").Code)
	fmt.Print(b.Send("GET", "/signup").Body)
	fmt.Print(b.Send("GET", "/signup").Body)
	// Output:
	// name="" mail="" wrong=""
	// 303
	// name="Ada" mail="ada" wrong="Is that an address?"
	// name="" mail="" wrong=""
}

// A long answer that notes how far it has come. Most handlers need no Commit:
// it comes by itself before the first byte of the answer.
func ExampleSession_Commit() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	progress := coatcheck.NewKey[int]("progress")
	mux := http.NewServeMux()
	mux.HandleFunc("POST /import", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		for step := 1; step <= 3; step++ {
			progress.Set(s, step)
			if err := s.Commit(); err != nil { // a logout elsewhere, for example
				fmt.Fprintln(w, "stopped")
				return
			}
			fmt.Fprintln(w, "step", step)
			http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("GET /progress", func(w http.ResponseWriter, r *http.Request) {
		step, _ := progress.Get(coatcheck.From(r.Context()))
		fmt.Fprintln(w, "at step", step)
	})

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	fmt.Print(b.Send("POST", "/import").Body)
	fmt.Print(b.Send("GET", "/progress").Body)
	// Output:
	// step 1
	// step 2
	// step 3
	// at step 3
}

// A router that recovers panics answers for the handler, and the answer looks
// like any other. DropOnPanic goes inside of the recoverer.
func ExampleDropOnPanic() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	order := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		coatcheck.From(r.Context()).Login("123")
		panic("the rest of the order")
	})
	recoverer := func(next http.Handler) http.Handler { // the router's
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					http.Error(w, "Something went wrong", http.StatusInternalServerError)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
	b := coatchecktest.NewHandlerBrowser(sessions.Handler(recoverer(coatcheck.DropOnPanic(order))))
	w := b.Send("POST", "/order")
	fmt.Println(w.Code, len(w.Header()["Set-Cookie"]))
	// Output: 500 0
}

// Flashes with a category, or any other value, are a key of a list: Append keeps
// one for the next page, Pop shows each exactly once.
func ExampleKey_Pop_flashes() {
	keys, _ := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa") // cookie.KeysFromEnv in a program
	sessions, _ := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	type notice struct{ Category, Text string }
	notices := coatcheck.NewKey[[]notice]("notices")

	mux := http.NewServeMux()
	mux.HandleFunc("POST /pay", func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		coatcheck.Append(s, notices, notice{"success", "Paid."}, notice{"warning", "Your card expires soon."})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		shown, _ := notices.Pop(coatcheck.From(r.Context()))
		for _, n := range shown {
			fmt.Fprintf(w, "%s: %s\n", n.Category, n.Text)
		}
	})

	b := coatchecktest.NewHandlerBrowser(sessions.Handler(mux))
	fmt.Println(b.Send("POST", "/pay").Code)
	fmt.Print(b.Send("GET", "/").Body)
	fmt.Print(b.Send("GET", "/").Body)
	// Output:
	// 303
	// success: Paid.
	// warning: Your card expires soon.
}
