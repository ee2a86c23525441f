package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
)

var helpCommand = command{
	name:    "help",
	summary: "explain a command",
	usage:   "[command]",
	about:   "Prints what the program can do, or everything about one command.",
	notes: `Examples:
  coatcheck help
  coatcheck help serve
  coatcheck help store check

Exit status: 0, or 2 if there is no such command.
`,
	maxArgs: 2,
}

func prepareHelp(*flag.FlagSet) action {
	return func(_ context.Context, io stdio, args []string) error {
		c, rest, err := find(args)
		switch {
		case err != nil && len(rest) == 0: // all of it names a group
			return printList(io.out, c)
		case err != nil:
			return err
		case len(rest) > 0:
			return usagef("%q has no commands of its own", c.name)
		}
		return printHelp(io.out, c)
	}
}

// names lists the last words of the commands' names.
func names(list []command) string {
	words := make([]string, len(list))
	for i, c := range list {
		words[i] = c.name[strings.LastIndexByte(c.name, ' ')+1:]
	}
	return strings.Join(words, ", ")
}

// printList prints what is in a group, or in the program.
func printList(w io.Writer, group command) error {
	var b strings.Builder
	about := "coatcheck shows what cookies and sessions are for, looks into both, and keeps their stores."
	if group.name != "" {
		about = strings.TrimSpace(group.about)
	}
	name := strings.TrimSpace("coatcheck " + group.name)
	fmt.Fprintf(&b, "%s\n\nUsage: %s command [flags]\n\nCommands:\n", about, name)
	for _, c := range group.group {
		fmt.Fprintf(&b, "  %-15s  %s\n", c.name, c.summary)
	}
	fmt.Fprintf(&b, "\n%s COMMAND tells more. Exit status: 0 for success, 1 for a failure, 2 for a wrong command line.\n",
		strings.TrimSpace("coatcheck help "+group.name))
	_, err := io.WriteString(w, b.String())
	return err
}

func printHelp(w io.Writer, c command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n\n%s\n", strings.TrimSpace("coatcheck "+c.name+" "+c.usage), strings.TrimSpace(c.about))
	flags := newFlags(c.name)
	c.prepare(flags)
	title := "\nFlags:\n"
	flags.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		fmt.Fprintf(&b, "%s  %s\n        %s", title, strings.TrimSpace("--"+f.Name+" "+value), strings.ReplaceAll(text, "\n", "\n        "))
		if f.DefValue != "" && f.DefValue != "false" {
			fmt.Fprintf(&b, " (default %s)", f.DefValue)
		}
		b.WriteString("\n")
		title = ""
	})
	fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(c.notes))
	_, err := io.WriteString(w, b.String())
	return err
}
