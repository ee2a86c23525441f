//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"log"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/store"
)

type worker struct {
	store        store.Store
	plain, outer *coatcheck.Manager
	gates        sync.Map // name → chan struct{}: requests that wait
	late         sync.Map // name → *lateSet
	mu           sync.Mutex
	told         map[string]int // handle → events of a change that was not saved
}

// event keeps what a test asks for, and logs what helps to understand a finding.
func (w *worker) event(e coatcheck.Event) {
	switch e.Kind {
	case coatcheck.WriteEnded, coatcheck.StoreError, coatcheck.Damaged, coatcheck.Expired:
		log.Print(e.Kind, " ", e.Handle, " ", e.Reason, " ", e.Err)
	}
	if e.Kind != coatcheck.Late || !strings.HasPrefix(e.Reason, "not saved") && !strings.HasPrefix(e.Reason, "in use") {
		return // a change was refused, of which Err tells
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told == nil {
		w.told = make(map[string]int)
	}
	w.told[e.Handle]++
}

// A step is one thing that a handler does.
type step struct{ Op, Key, Arg string }

// An answer is what came of it.
type answer struct {
	Val string `json:",omitempty"`
	OK  bool   `json:",omitempty"`
}

// answers are those of a request, with the session as it then was.
type answers struct {
	Began, Called int64 // by the process's own clock, µs
	Answers       []answer
	Handle, User  string
}

// errBroken ends a request whose steps make no sense.
var errBroken = errors.New("worker: no such step")

func (w *worker) do(rw http.ResponseWriter, r *http.Request) {
	out := answers{Began: time.Now().UnixMicro()}
	var steps []step
	if err := json.NewDecoder(r.Body).Decode(&steps); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	s := coatcheck.From(r.Context())
	var before string
	for _, st := range steps {
		if st.Op == "renew" || st.Op == "reauth" || st.Op == "remember" {
			before = s.Handle() // from then on there is none until the commit
		}
		out.Called = time.Now().UnixMicro()
		a, err := w.step(r, s, st)
		if err != nil {
			rw.Header().Del("Content-Type")
			answerError(rw, r, err)
			return
		}
		out.Answers = append(out.Answers, a)
	}
	out.Handle, out.User = cmp.Or(s.Handle(), before), s.User()
	_ = json.NewEncoder(rw).Encode(out)
}

func (w *worker) step(r *http.Request, s *coatcheck.Session, st step) (a answer, err error) {
	switch st.Op {
	case "get", "set", "setfor", "del", "pop", "upd", "append", "list", "take", "flash", "flashes", "clear":
		return valueStep(s, st), nil
	case "login":
		s.Login(st.Arg)
	case "logout":
		s.Logout()
	case "renew":
		s.Renew()
	case "reauth":
		s.Reauthenticate()
	case "remember":
		s.Remember(time.Hour)
	case "authtime":
		a.Val = strconv.FormatInt(s.AuthTime().UnixMicro(), 10)
	case "touch":
		s.Touch()
	case "commit":
		_ = s.Commit() // what it says replaces the response
	case "outer":
		coatcheck.NewKey[string]("large").Set(w.outer.From(r.Context()), strings.Repeat("x", 40<<10))
	case "sleep":
		time.Sleep(time.Duration(atoi(st.Arg)) * time.Millisecond)
	case "wait":
		w.wait(r, st.Arg)
	case "late":
		w.setLate(s, st.Key)
	default:
		return w.userStep(r, st)
	}
	return a, nil
}

// valueStep is a step about one key. The first letter of a key is its type.
func valueStep(s *coatcheck.Session, st step) (a answer) {
	text := coatcheck.NewKey[string](st.Key)
	list := coatcheck.NewKey[[]string](st.Key)
	var all []string
	switch st.Op {
	case "get":
		if strings.HasPrefix(st.Key, "c") {
			var n int
			if n, a.OK = coatcheck.NewKey[int](st.Key).Get(s); a.OK {
				a.Val = strconv.Itoa(n)
			}
			return a
		}
		a.Val, a.OK = text.Get(s)
	case "set":
		text.Set(s, st.Arg)
	case "setfor":
		text.SetFor(s, st.Arg, time.Hour)
	case "del":
		text.Delete(s)
	case "pop":
		a.Val, a.OK = text.Pop(s)
	case "upd":
		a.Val = strconv.Itoa(coatcheck.NewKey[int](st.Key).Update(s, func(n int) int { return n + 1 }))
	case "append":
		coatcheck.Append(s, list, st.Arg)
	case "list":
		all, a.OK = list.Get(s)
	case "take":
		all, a.OK = list.Pop(s)
	case "flash":
		s.Flash(st.Arg)
	case "flashes":
		all = s.Flashes()
	case "clear":
		s.Clear()
	}
	if all != nil {
		a.Val = strings.Join(all, ",")
	}
	return a
}

// userStep is a call of the manager.
func (w *worker) userStep(r *http.Request, st step) (a answer, err error) {
	ctx := r.Context()
	var n int
	switch st.Op {
	case "revokeall":
		n, err = w.plain.RevokeAll(ctx, st.Arg)
		a.Val = strconv.Itoa(n)
	case "revokeothers":
		n, err = w.plain.RevokeOthers(ctx)
		a.Val = strconv.Itoa(n)
	case "revoke": // Key is the handle
		a.OK, err = w.plain.Revoke(ctx, st.Arg, st.Key)
	case "sessions":
		list, e := w.plain.Sessions(ctx, st.Arg)
		var handles []string
		for _, info := range list {
			handles = append(handles, info.Handle)
		}
		a.Val, err = strings.Join(handles, ","), e
	case "sweep":
		_, err = w.plain.Sweep(ctx)
	default:
		err = errBroken
	}
	return a, err
}

func atoi(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// gate is what requests of that name wait at.
func (w *worker) gate(name string) chan struct{} {
	gate, _ := w.gates.LoadOrStore(name, make(chan struct{}))
	return gate.(chan struct{})
}

func (w *worker) wait(r *http.Request, name string) {
	w.gates.Store("at "+name, true)
	select {
	case <-w.gate(name):
	case <-r.Context().Done():
	}
}

// release lets a request go on, if it waits already.
func (w *worker) release(rw http.ResponseWriter, r *http.Request) {
	name := r.FormValue("gate")
	if _, ok := w.gates.Load("at " + name); !ok {
		http.Error(rw, "nobody waits", http.StatusConflict)
		return
	}
	if r.FormValue("look") == "" {
		close(w.gate(name))
	}
}

// A lateSet is what a goroutine of a handler set until it was refused.
type lateSet struct {
	Done bool
	Last int // 0: nothing was accepted
	Told int // events of one that was not saved
}

// lateMost bounds what one goroutine sets.
const lateMost = 200

// setLate sets 1, 2, 3, … with short breaks until the session refuses.
func (w *worker) setLate(s *coatcheck.Session, key string) {
	handle, k := s.Handle(), coatcheck.NewKey[string](key)
	go func() {
		n := 0
		for n < lateMost {
			k.Set(s, strconv.Itoa(n+1))
			if s.Err() != nil {
				break
			}
			n++
			for end := time.Now().Add(rand.N(3 * time.Microsecond)); time.Now().Before(end); {
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.late.Store(key, lateSet{true, n, w.told[handle]})
	}()
}

func (w *worker) lateSets(rw http.ResponseWriter, r *http.Request) {
	set, _ := w.late.Load(r.FormValue("key"))
	if set == nil {
		set = lateSet{}
	}
	_ = json.NewEncoder(rw).Encode(set)
}
