package cli

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What cobra and pflag say of a wrong command line repeats it. Here nothing is
// repeated that may be a URL with a password.

// shown quotes what may be a command that was mistyped, and does not repeat
// what may be a URL with a password.
func shown(arg string) string {
	if len(arg) > 20 || strings.ContainsAny(arg, ":/@") {
		return "there"
	}
	return strconv.Quote(arg)
}

// withoutURLs is what an error says without the arguments that are URLs and may have
// a password: one is as easily given to the wrong flag as to none.
func withoutURLs(says string, args []string) string {
	for _, arg := range args {
		if _, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "-") {
			arg = value
		}
		if strings.Contains(arg, "://") && strings.ContainsAny(arg, "@?") {
			quoted := strconv.Quote(arg)
			says = strings.NewReplacer(arg, "URL", quoted[1:len(quoted)-1], "URL").Replace(says)
		}
	}
	return says
}

// wantCommand says which command of a group was wanted.
func wantCommand(group *cobra.Command, args []string) error {
	var names []string
	for _, c := range group.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	want := strings.Join(names, ", ")
	if len(args) == 0 {
		return usagef("no command; want one of %s", want)
	}
	perhaps := ""
	if similar := group.SuggestionsFor(args[0]); len(similar) > 0 {
		perhaps = ", perhaps " + strings.Join(similar, " or ")
	}
	return usagef("unknown command %s%s; want one of %s", shown(args[0]), perhaps, want)
}

// arguments wants at least and at most so many beside the flags; want names
// what there are too few of.
func arguments(least, most int, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(args); {
		case n > most:
			return surplus(cmd, args[most], most)
		case n < least:
			return usagef("want %s", want)
		}
		return nil
	}
}

// surplus says where an argument that is too many belongs, by what it looks like. It
// is not repeated: see shown.
func surplus(cmd *cobra.Command, arg string, most int) error {
	has := func(flag string) bool { return cmd.Flags().Lookup(flag) != nil }
	url := strings.ContainsAny(arg, ":/")
	switch {
	case url && has("store"):
		return usagef("a store is given as --store URL or in %s, not as an argument, as in: %s", storeEnv, cmd.UseLine())
	case most > 0:
		return usagef("an argument too many beside the flags; want %d, as in: %s", most, cmd.UseLine())
	case !url && len(arg) == handleLength && has("handle"):
		return usagef("a session is given as --handle HANDLE, beside --user USER, not as an argument, as in: %s", cmd.UseLine())
	case !url && has("user") && has("store"):
		return usagef("a user is given as --user USER, not as an argument, as in: %s", cmd.UseLine())
	}
	return usagef("an argument beside the flags; want none, as in: %s", cmd.UseLine())
}

// none is for commands that have flags only.
func none(cmd *cobra.Command, args []string) error { return arguments(0, 0, "")(cmd, args) }

// flagError says what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			name, _, _ := strings.Cut(short, "=")
			if cmd.Flags().Lookup(name) != nil {
				return usagef("unknown flag -%s; want --%s, with two hyphens", name, name)
			}
			return unknownFlag("-", short)
		}
		return unknownFlag("--", unknown.GetSpecifiedName())
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return usagef("--%s has a wrong value; want a %s", wrong.GetFlag().Name, valueNames[wrong.GetFlag().Value.Type()])
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usagef("--%s needs a value", missing.GetFlag().Name)
	}
	return usagef("a hyphen where a flag should be") // pflag.InvalidSyntaxError has the argument
}

// valueNames is what the values of flags are called, by the names of pflag.
var valueNames = map[string]string{
	"bool": "boolean, true or false", "duration": "duration, such as 90s or 12h", "int": "number",
}

func unknownFlag(hyphens, name string) error {
	if strings.HasPrefix(shown(name), `"`) {
		return usagef("unknown flag %s%s", hyphens, name)
	}
	return usagef("unknown flag")
}

// oneOf completes an argument from a list.
func oneOf(values ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.Clone(values), cobra.ShellCompDirectiveNoFileComp
	}
}
