package cli

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// completions writes the script of each shell.
var completions = map[string]func(root *cobra.Command, w io.Writer) error{
	"bash": func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"fish": func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	"zsh":  (*cobra.Command).GenZshCompletion,
}

func newCompletion() *cobra.Command {
	shells := slices.Sorted(maps.Keys(completions))
	return &cobra.Command{
		Use:   "completion bash|fish|zsh",
		Short: "print the script that completes commands in a shell",
		Long: `Prints a script with which the shell completes commands, flags and the beginnings
of store URLs. make install puts all three where the shells look.

Exit status: 0; 1 if it could not be written; 2 for a wrong command line.`,
		Example: `  source <(coatcheck completion bash)
  coatcheck completion fish > ~/.config/fish/completions/coatcheck.fish
  coatcheck completion zsh > "${fpath[1]}/_coatcheck"`,
		Args:              arguments(1, 1, "a shell: "+strings.Join(shells, ", ")),
		ValidArgsFunction: oneOf(shells...),
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := completions[args[0]]
			if !ok { // not shown: it may be a URL
				return usagef("unknown shell; want one of %s", strings.Join(shells, ", "))
			}
			return write(cmd.Root(), cmd.OutOrStdout())
		},
	}
}
