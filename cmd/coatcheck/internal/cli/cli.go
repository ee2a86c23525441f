// Package cli holds the commands of the program coatcheck. Each is a
// cobra.Command made by a function newX, in a file of its own, and has its place
// in the list of newRoot or of its group.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	root := newRoot(stdio{stdin, out, stderr, getenv})
	root.SetArgs(append([]string{}, handleLast(args)...)) // nil would be those of the process
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil && out.failed == nil:
		return 0
	case out.failed != nil:
		err = out.failed
	}
	path, help := cmd.CommandPath(), ""
	if errors.Is(err, errUsage) {
		help = "; see " + strings.Replace(path, root.Name(), root.Name()+" help", 1)
	}
	fmt.Fprintf(stderr, "%s: %s%s\n", path, withoutURLs(err.Error(), args), help)
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailure
}
