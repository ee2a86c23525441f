package redisstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/coatcheck/coatcheck/store"
)

//go:embed lua/*.lua
var sources embed.FS

// A script is one of the Lua programs; its number is its place in a Store.
type script int

const (
	scriptCreate script = iota
	scriptUpdate
	scriptTouch
	scriptReplace
	scriptEnd
	scriptEndUser
	scriptAdmit
	scriptRevoke
	scriptCommit
	scriptSettle
	scriptEndOf
	scriptForget
	scriptExtend
	scriptNudge
	scripts // how many
)

// scriptFiles names the program of each and whether it uses the index.
var scriptFiles = [scripts]struct {
	name  string
	index bool
}{
	scriptCreate:  {"create", true},
	scriptUpdate:  {"update", false},
	scriptTouch:   {"touch", false},
	scriptReplace: {"replace", true},
	scriptEnd:     {"end", false},
	scriptEndUser: {"enduser", true},
	scriptAdmit:   {"admit", true},
	scriptRevoke:  {"revoke", true},
	scriptCommit:  {"commit", false},
	scriptSettle:  {"settle", false},
	scriptEndOf:   {"endof", false},
	scriptForget:  {"forget", false},
	scriptExtend:  {"extend", true},
	scriptNudge:   {"nudge", false},
}

// The whole numbers that scripts return; lua/prelude.lua has the same.
const (
	replyDone = iota
	replyConflict
	replyNotFound
	replyExists
	replyRefused
	replyLate
	replyExtend
)

// A program is a script and the name under which the server knows it.
type program struct{ source, sha string }

// readScripts puts the programs together.
func readScripts() (all [scripts]program, err error) {
	read := func(name string) string {
		b, e := sources.ReadFile("lua/" + name + ".lua")
		err = errors.Join(err, e)
		return string(b)
	}
	prelude, index := read("prelude"), read("index")
	for i, f := range scriptFiles {
		functions := prelude
		if f.index {
			functions += index
		}
		before, after, found := strings.Cut(read(f.name), "--prelude\n")
		if !found {
			before, after = "", before
		}
		all[i].source = before + functions + after
	}
	return all, err
}

// loadScripts gives every node the programs and takes their names from the
// answers: the SHA-1 is the server's, because in Go's FIPS mode it is refused.
func (s *Store) loadScripts(ctx context.Context) error {
	var failed error
	loaded := false
	for _, node := range s.client.Nodes() {
		cmds := make(rueidis.Commands, scripts)
		for i, p := range s.scripts {
			cmds[i] = node.B().ScriptLoad().Script(p.source).Build()
		}
		for i, reply := range node.DoMulti(ctx, cmds...) {
			sha, err := reply.ToString()
			if err != nil {
				failed = s.fault(ctx, "load scripts", err)
				break
			}
			s.scripts[i].sha = sha
			loaded = loaded || i == int(scripts)-1
		}
	}
	if loaded { // a node that is away gets them when it is asked
		return nil
	}
	return failed
}

// A call is a script with its arguments. The first key decides on the slot.
type call struct {
	script
	keys, args []string
}

func (s *Store) evalsha(b rueidis.Builder, c call) rueidis.Completed {
	return b.Evalsha().Sha1(s.scripts[c.script].sha).Numkeys(int64(len(c.keys))).Key(c.keys...).Arg(c.args...).Build()
}

func (s *Store) eval(b rueidis.Builder, c call) rueidis.Completed {
	return b.Eval().Script(s.scripts[c.script].source).Numkeys(int64(len(c.keys))).Key(c.keys...).Arg(c.args...).Build()
}

// unknownScript reports whether the server has lost the script, by a restart
// or a failover. Then nothing was applied.
func unknownScript(err error) bool {
	re, ok := rueidis.IsRedisErr(err)
	return ok && re.IsNoScript()
}

// run makes one call: one round trip.
func (s *Store) run(ctx context.Context, c call) (rueidis.RedisMessage, error) {
	reply := s.do(ctx, s.evalsha(s.client.B(), c))
	if unknownScript(reply.Error()) {
		reply = s.do(ctx, s.eval(s.client.B(), c))
	}
	m, err := reply.ToMessage()
	return m, s.fault(ctx, scriptFiles[c.script].name, err)
}

// runAll makes calls of different slots at once: one round trip.
func (s *Store) runAll(ctx context.Context, calls ...call) ([]rueidis.RedisMessage, error) {
	cmds := make(rueidis.Commands, len(calls))
	for i, c := range calls {
		cmds[i] = s.evalsha(s.client.B(), c)
	}
	messages, errs := make([]rueidis.RedisMessage, len(calls)), make([]error, len(calls))
	for i, reply := range s.client.DoMulti(ctx, cmds...) {
		if unknownScript(reply.Error()) {
			reply = s.client.Do(ctx, s.eval(s.client.B(), calls[i]))
		}
		m, err := reply.ToMessage()
		messages[i], errs[i] = m, s.fault(ctx, scriptFiles[calls[i].script].name, err)
	}
	return messages, errors.Join(errs...)
}

// fault makes an error of the client one of ours. It must not name keys, which
// Redis does where it does not know a command.
func (s *Store) fault(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	re, ok := rueidis.IsRedisErr(err)
	switch {
	case ok && wrongNode(re.Error()) && (!s.cluster || re.IsClusterDown()), errors.Is(err, rueidis.ErrNoSlot):
		s.dialer.drop() // else the nodes of a Cluster the client tells apart by itself
	}
	if over := ctx.Err(); over != nil {
		return over
	}
	if !ok {
		return fmt.Errorf("coatcheck: redisstore: %s: %w", what, err)
	}
	text, _, _ := strings.Cut(re.Error(), ", with args")
	if strings.Contains(text, "OOM command not allowed") {
		return fmt.Errorf("%w: redisstore: %s: maxmemory is reached", store.ErrFull, what)
	}
	return fmt.Errorf("coatcheck: redisstore: %s: %s", what, strconv.QuoteToASCII(text))
}
