package main

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coatcheck/coatcheck"
)

// A basket is in the session from the first thing in it on, before anybody signs
// in. Its name becomes the order's, so that no order is placed twice.
type basket struct {
	Name  string
	Goods map[string]int
}

var cart = coatcheck.NewKey[basket]("cart")

// What the shop sells, with prices in cents.
var prices = map[string]int{"Coat": 12900, "Hat": 3900, "Scarf": 2400, "Umbrella": 1900}

// add returns a function for Update, which may call it several times: it changes
// nothing but what it returns.
func add(goods map[string]int) func(basket) basket {
	name := rand.Text()
	return func(b basket) basket {
		if b.Name == "" {
			b.Name = name
		}
		b.Goods = maps.Clone(b.Goods)
		if b.Goods == nil {
			b.Goods = make(map[string]int)
		}
		for what, n := range goods {
			if b.Goods[what] += n; b.Goods[what] <= 0 {
				delete(b.Goods, what)
			}
		}
		return b
	}
}

// takeOut returns a function for Update that takes out what an order has. What
// another tab has put in meanwhile stays, for the next order; after a second click
// the order has been taken out already.
func takeOut(order basket) func(basket) basket {
	goods, next := make(map[string]int), rand.Text()
	for what, n := range order.Goods {
		goods[what] = -n
	}
	return func(b basket) basket {
		if b.Name != order.Name {
			return b
		}
		b = add(goods)(b)
		b.Name = next
		return b
	}
}

func (b basket) String() string {
	var list []string
	for _, what := range slices.Sorted(maps.Keys(b.Goods)) {
		list = append(list, fmt.Sprintf("%d × %s", b.Goods[what], what))
	}
	return strings.Join(list, ", ")
}

func (b basket) Total() (cents int) {
	for what, n := range b.Goods {
		cents += n * prices[what]
	}
	return cents
}

func (s *shop) front(w http.ResponseWriter, r *http.Request) error {
	return s.page(w, r, http.StatusOK, "front", prices)
}

func (s *shop) showCart(w http.ResponseWriter, r *http.Request) error {
	b, _ := cart.Get(coatcheck.From(r.Context()))
	return s.page(w, r, http.StatusOK, "cart", b)
}

func (s *shop) addToCart(w http.ResponseWriter, r *http.Request) error {
	what := r.FormValue("goods")
	if _, ok := prices[what]; !ok {
		return refusal{http.StatusBadRequest, "We do not sell that."}
	}
	sess := coatcheck.From(r.Context())
	cart.Update(sess, add(map[string]int{what: 1}))
	sess.Flash(what + " is in your cart.")
	return goTo(w, r, "/")
}

// confirmed is set for a moment by a passkey and used up by one payment.
var confirmed = coatcheck.NewKey[bool]("confirmed:pay")

const confirmedFor = 2 * time.Minute

// checkout places an order. Whoever has a passkey shows it before each.
func (s *shop) checkout(w http.ResponseWriter, r *http.Request) error {
	sess := coatcheck.From(r.Context())
	b, ok := cart.Get(sess)
	if !ok || len(b.Goods) == 0 {
		sess.Flash("Your cart is empty.")
		return goTo(w, r, "/")
	}
	a, err := s.db.accountByID(r.Context(), sess.User())
	if err != nil {
		return err
	}
	if len(a.passkeys) > 0 {
		if ok, _ := confirmed.Pop(sess); !ok {
			return goTo(w, r, "/confirm?"+url.Values{"next": {"/cart"}}.Encode())
		}
	}
	if err := s.db.place(r.Context(), a.ID, b.Name, b.String()); err != nil {
		return err
	}
	cart.Update(sess, takeOut(b))
	sess.Flash("Thank you! We are packing " + b.String() + ".")
	return goTo(w, r, "/orders")
}

func (s *shop) orders(w http.ResponseWriter, r *http.Request) error {
	list, err := s.db.purchases(r.Context(), coatcheck.From(r.Context()).User())
	if err != nil {
		return err
	}
	return s.page(w, r, http.StatusOK, "orders", list)
}
