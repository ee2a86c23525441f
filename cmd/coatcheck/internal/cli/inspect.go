package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck/cookie"
)

func newInspect(std stdio) *cobra.Command {
	var o inspectOptions
	c := &cobra.Command{
		Use:   "inspect [--name NAME] [--application NAME] [cookie | header]",
		Short: "say what a cookie is, and check it",
		Long: `Says what a cookie is: the token of a session, signed, sealed, plain, or the
marker beside a session cookie. Takes a value, name=value, or a whole Cookie or
Set-Cookie header, whose attributes it explains; of a whole response it takes
the Set-Cookie lines, and of a jar of curl all cookies. Without an argument, or
with -, it reads standard input, which is the better way: other users of a
machine can see the arguments.

With SECRET_KEY it also checks what is signed or sealed, and shows its value.
Of a session it never shows more than the id under which the store keeps it,
and the handle.

Of a cookie that looks like the session of another system it says which; with
that system's secret in FROM_SECRET_KEY it shows what a session holds that is in
its cookie: Flask, Django's signed_cookies, Rails, cookie-session of Express, with
both cookies in one header, and gorilla's securecookie, with the key that encrypts
in ` + fromBlockEnv + `. Of express-session, Laravel and redistore it checks the id. Most
of them sign the cookie's name too: give it with the value, or as --name.

Environment: SECRET_KEY, SECRET_KEY_FALLBACKS, SECRET_KEY_FILE, as for serve.

Exit status: 0; 1 if a cookie would be refused, or could not be read; 2 for a
wrong command line.`,
		Example: `  curl -si http://localhost:8080/login | coatcheck inspect
  coatcheck inspect 'Set-Cookie: username=alice; Max-Age=3600; Path=/'
  coatcheck inspect --name __Host-Http-theme < value`,
		Args:              arguments(0, 1, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, args []string) error { return inspect(cmd.Context(), std, o, args) },
	}
	c.Flags().StringVar(&o.name, "name", "", "the `NAME` of a cookie that is given without it")
	c.Flags().StringVar(&o.application, "application", "", "the `NAME` given to Keys.Application, if the program does")
	return c
}

type inspectOptions struct{ name, application string }

// maxInput bounds what is read; net/http reads headers up to 1 MiB.
const maxInput = 1 << 20

func inspect(ctx context.Context, std stdio, o inspectOptions, args []string) error {
	text, err := inspected(ctx, std.in, args)
	if err != nil {
		return err
	}
	i := inspector{now: time.Now().UTC(), application: o.application, fromSecret: std.getenv(fromSecretEnv), fromBlock: std.getenv(fromBlockEnv)}
	if keysSet(std.getenv) {
		keys, err := cookie.KeysFromEnv()
		if err != nil {
			return err
		}
		i.keys = keys.Application(o.application)
	}
	found := cookiesIn(text, o.name)
	if len(found) == 0 {
		return errors.New("no cookie in it; want a value, name=value, or a Cookie or Set-Cookie header")
	}
	i.all = found
	refused := 0
	out := tokenHider{std.out}
	for n, c := range found {
		if n > 0 {
			fmt.Fprintln(out)
		}
		if !i.report(out, c) {
			refused++
		}
	}
	if refused > 0 {
		return fmt.Errorf("%d of %d refused", refused, len(found))
	}
	return nil
}

// inspected is what is to be inspected: the argument, or what in has.
func inspected(ctx context.Context, in io.Reader, args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	var b []byte
	var err error
	done := make(chan struct{})
	go func() { // a terminal where nobody types ends with the program
		b, err = io.ReadAll(io.LimitReader(in, maxInput+1))
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return "", errInterrupted
	}
	if len(b) > maxInput {
		return "", fmt.Errorf("more than %d bytes", maxInput)
	}
	return string(b), err
}

// A given is one cookie as it was given.
type given struct {
	name, value string
	set         bool     // by a Set-Cookie header
	attributes  []string // of it
	twice       bool     // in one Cookie header
}

// cookiesIn finds the cookies in a text. Where a line is a header only headers
// count, so that the whole of a request or response can be given.
func cookiesIn(text, name string) []given {
	var headers, others []given
	for line := range strings.Lines(text) {
		if c, ok := jarLine(line); ok {
			headers = append(headers, c)
			continue
		}
		line = strings.TrimSpace(line)
		field, rest, _ := strings.Cut(line, ":")
		switch {
		case line == "" || strings.HasPrefix(line, "# "): // such as that of a jar
		case strings.EqualFold(field, "Cookie"):
			headers = append(headers, pairs(rest)...)
		case strings.EqualFold(field, "Set-Cookie"):
			headers = append(headers, setCookie(rest))
		case looksSet(line):
			others = append(others, setCookie(line))
		case strings.Contains(strings.TrimRight(line, "="), "="), name == "" && strings.Contains(line, "="):
			others = append(others, pairs(line)...)
		default:
			others = append(others, given{name: name, value: line})
		}
	}
	if headers != nil {
		return headers
	}
	return others
}

// jarLine reads a line of the file in which curl, wget and others keep cookies:
// domain, subdomains, path, secure, expires, name, value.
func jarLine(line string) (given, bool) {
	fields := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
	if len(fields) != 7 {
		return given{}, false
	}
	return given{name: fields[5], value: fields[6]}, true
}

// pairs reads the value of a Cookie header (C15).
func pairs(text string) []given {
	var list []given
	count := make(map[string]int)
	for pair := range strings.SplitSeq(text, ";") {
		if pair = strings.Trim(pair, " \t"); pair != "" {
			name, value, _ := strings.Cut(pair, "=")
			list = append(list, given{name: name, value: value})
			count[name]++
		}
	}
	for i := range list {
		list[i].twice = count[list[i].name] > 1
	}
	return list
}

// setCookie reads the value of a Set-Cookie header.
func setCookie(text string) given {
	pair, rest, _ := strings.Cut(text, ";")
	name, value, ok := strings.Cut(pair, "=")
	if !ok { // as browsers read it
		name, value = "", pair
	}
	c := given{name: strings.TrimSpace(name), value: strings.TrimSpace(value), set: true}
	for attribute := range strings.SplitSeq(rest, ";") {
		if attribute = strings.TrimSpace(attribute); attribute != "" {
			c.attributes = append(c.attributes, attribute)
		}
	}
	return c
}

// looksSet reports whether a line is that of a Set-Cookie header without its
// name: everything behind the first pair is an attribute.
func looksSet(line string) bool {
	c := setCookie(line)
	for _, a := range c.attributes {
		name, _ := cutAttribute(a)
		if _, ok := attributes[name]; !ok {
			return false
		}
	}
	return len(c.attributes) > 0
}
