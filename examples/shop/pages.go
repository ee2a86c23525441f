package main

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"

	"github.com/coatcheck/coatcheck"
)

//go:embed templates
var templates embed.FS

var pages = func() map[string]*template.Template {
	all := make(map[string]*template.Template)
	funcs := template.FuncMap{"money": func(cents int) string { return fmt.Sprintf("%d.%02d €", cents/100, cents%100) }}
	for _, name := range []string{"front", "cart", "signin", "confirm", "orders", "account", "devices"} {
		all[name] = template.Must(template.New("base.html").Funcs(funcs).ParseFS(templates, "templates/base.html", "templates/"+name+".html"))
	}
	return all
}()

// A view is what every template gets.
type view struct {
	Name    string // of the customer, "" for a visitor
	InCart  int
	Flashes []string
	OpenID  bool
	Next    string
	Of      any // the page's own
}

// page shows a page. All that the template needs of the session is fetched before
// the first byte; what fails by then is an answer of its own.
func (s *shop) page(w http.ResponseWriter, r *http.Request, status int, name string, of any) error {
	sess := coatcheck.From(r.Context())
	v := view{OpenID: s.openid != nil, Next: r.FormValue("next"), Of: of}
	if sess.User() != "" {
		a, err := s.db.accountByID(r.Context(), sess.User())
		if err != nil {
			return err
		}
		v.Name = a.Name
	}
	b, _ := cart.Get(sess)
	for _, n := range b.Goods {
		v.InCart += n
	}
	v.Flashes = sess.Flashes()
	var page bytes.Buffer
	if err := pages[name].Execute(&page, v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(page.Bytes()) // an error is the client's absence
	return nil
}
