// Package cli holds the commands of the program coatcheck.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// The program's exit status, beside 0.
const (
	exitFailure = 1 // the command was understood and failed
	exitUsage   = 2 // the command line is wrong
)

// errUsage marks the errors that the command line causes.
var errUsage = errors.New("wrong command line")

// usagef makes an error that ends the program with status 2.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

type usageError struct{ error }

func (usageError) Is(target error) bool { return target == errUsage }

// stdio is what a command may use of its process.
type stdio struct {
	in     io.Reader
	out    *output
	err    io.Writer
	getenv func(string) string
}

// An output remembers that it could not be written: no command has done its work
// whose answer nobody got.
type output struct {
	io.Writer
	failed error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if err != nil && o.failed == nil {
		o.failed = err
	}
	return n, err
}

// An action runs a command whose flags are parsed.
type action func(ctx context.Context, io stdio, args []string) error

// A command is one verb of the program, or a group of them.
type command struct {
	name    string // with that of its group
	summary string // one line, for the list
	usage   string // what stands behind the name
	about   string // what help says above the flags
	notes   string // and below: examples, environment, exit status

	minArgs, maxArgs int    // arguments beside flags
	want             string // what is wanted where there are fewer

	// prepare declares the flags and returns what runs after they are parsed.
	prepare func(*flag.FlagSet) action

	group []command // in place of prepare
}

func commands() []command {
	help := helpCommand
	help.prepare = prepareHelp // here: it refers to this list
	return []command{serveCommand, keygenCommand, inspectCommand, sessionsCommand, storeCommand, versionCommand, help}
}

// find returns the command that args begin with, and the arguments behind it.
// Where they name none the error says what is wanted, and c is the group, if
// that much was right.
func find(args []string) (c command, rest []string, err error) {
	c.group = commands()
	for c.group != nil {
		if len(args) == 0 {
			return c, nil, usagef("no command; want one of %s", names(c.group))
		}
		i := slices.IndexFunc(c.group, func(m command) bool { return m.name == strings.TrimSpace(c.name+" "+args[0]) })
		if i < 0 {
			return c, args, usagef("unknown command %s; want one of %s", shown(args[0]), names(c.group))
		}
		c, args = c.group[i], args[1:]
	}
	return c, args, nil
}

// shown quotes what may be a command that was mistyped, and does not repeat
// what may be a URL with a password.
func shown(arg string) string {
	if len(arg) > 20 || strings.ContainsAny(arg, ":/@") {
		return "there"
	}
	return strconv.Quote(arg)
}

var errInterrupted = errors.New("interrupted")

// stopped is err, or errInterrupted where the command was told to stop: what was
// cut off says nothing of the store.
func stopped(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// Run runs the program until it is done or ctx ends, and returns its exit
// status. args are those behind the program's name. The secret itself is read
// from the process's environment, by cookie.KeysFromEnv.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	out := &output{Writer: stdout}
	name, err := run(ctx, args, stdio{stdin, out, stderr, getenv})
	switch {
	case err == nil && out.failed == nil:
		return 0
	case out.failed != nil:
		err = out.failed
	}
	help := ""
	if errors.Is(err, errUsage) {
		help = "; see " + strings.TrimSpace("coatcheck help "+name)
	}
	fmt.Fprintf(stderr, "%s: %v%s\n", strings.TrimSpace("coatcheck "+name), err, help)
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailure
}

// run returns the name of the command, as far as there is one, and its error.
func run(ctx context.Context, args []string, io stdio) (string, error) {
	if len(args) > 0 && (args[0] == "-version" || args[0] == "--version") {
		args = append([]string{"version"}, args[1:]...)
	}
	c, args, err := find(args)
	if err != nil {
		if len(args) > 0 && slices.Contains([]string{"-h", "-help", "--help"}, args[0]) {
			return c.name, printList(io.out, c)
		}
		return c.name, err
	}
	flags := newFlags(c.name)
	do := c.prepare(flags)
	arguments, err := parse(flags, args)
	switch n := len(arguments); {
	case errors.Is(err, flag.ErrHelp):
		return c.name, printHelp(io.out, c)
	case err != nil:
		return c.name, usagef("%w", err)
	case n > c.maxArgs && flags.Lookup("store") != nil:
		// Not shown: it may be a URL with a password.
		return c.name, usagef("a store is given as --store URL or in COATCHECK_STORE, not as an argument, as in: coatcheck %s %s", c.name, c.usage)
	case n > c.maxArgs:
		// Not shown: it may be a URL with a password.
		return c.name, usagef("%d arguments beside the flags; want at most %d, as in: coatcheck %s %s", n, c.maxArgs, c.name, c.usage)
	case n < c.minArgs:
		return c.name, usagef("want %s", c.want)
	}
	return c.name, do(ctx, io, arguments)
}
