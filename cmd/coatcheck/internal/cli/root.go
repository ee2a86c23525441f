package cli

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Root returns the program for what describes it, such as its man pages.
func Root() *cobra.Command {
	return newRoot(stdio{strings.NewReader(""), &output{Writer: io.Discard}, io.Discard, os.Getenv})
}

// newRoot returns the program with all its commands.
func newRoot(std stdio) *cobra.Command {
	root := newGroup("coatcheck", "cookies and sessions",
		`coatcheck shows what cookies and sessions are for, looks into both, and keeps
their stores.

Exit status: 0 for success, 1 for a failure, 2 for a wrong command line.`,
		newServe(std), newConsole(std), newKeygen(std), newInspect(std), newImport(std), newSessions(std), newStore(std), newDoctor(std), newCompletion(), newVersion(std))
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SilenceErrors, root.SilenceUsage = true, true // Run prints one line
	root.DisableAutoGenTag = true                      // the same man pages on every day
	root.CompletionOptions.DisableDefaultCmd = true    // its errors repeat arguments
	root.Version = version()
	root.SetVersionTemplate("coatcheck {{.Version}}\n")
	root.SetHelpCommand(newHelp())
	root.SetFlagErrorFunc(flagError)
	// A group is run only to say that it cannot be.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	for _, c := range descendants(root) {
		c.DisableFlagsInUseLine = true // Use names those that matter
	}
	return root
}

// newGroup returns a command that only has others.
func newGroup(name, short, long string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use: name, Short: short, Long: long,
		SuggestionsMinimumDistance: 2,
		Args:                       wantCommand,
		RunE:                       func(*cobra.Command, []string) error { return nil }, // else wrong commands get help and status 0
	}
	group.AddCommand(commands...)
	return group
}

// descendants lists a command's commands, and theirs.
func descendants(c *cobra.Command) (all []*cobra.Command) {
	for _, child := range c.Commands() {
		all = append(append(all, child), descendants(child)...)
	}
	return all
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "explain a command",
		Long: `Prints what the program can do, or everything about one command.

Exit status: 0, or 2 if there is no such command.`,
		Example: `  coatcheck help
  coatcheck help serve
  coatcheck help store check`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			if group, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, c := range group.Commands() {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, rest, err := cmd.Root().Find(args)
			switch {
			case err != nil:
				return usagef("%w", err)
			case len(rest) > 0 && c.HasSubCommands():
				return wantCommand(c, rest)
			case len(rest) > 0:
				return usagef("%q has no commands of its own", strings.TrimPrefix(c.CommandPath(), "coatcheck "))
			}
			c.InitDefaultHelpFlag() // else only where the command itself runs
			c.InitDefaultVersionFlag()
			return c.Help()
		},
	}
}
