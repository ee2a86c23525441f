package cli_test

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/cli"
)

// Every command says what it does and gives an example and its exit status, and
// those with a store name it in one way.
func TestCommands(t *testing.T) {
	t.Parallel()
	withStore := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for _, child := range c.Commands() {
			look(child)
		}
		if c.Short == "" || c.Long == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short is %q, Long has %d bytes", c.CommandPath(), c.Short, len(c.Long))
		}
		if c.HasSubCommands() {
			return
		}
		if !strings.Contains(c.Example, "coatcheck ") || !strings.Contains(c.Long, "Exit status: ") {
			t.Errorf("%s: its help lacks an example or the exit status", c.CommandPath())
		}
		flag := c.Flags().Lookup("store")
		if flag == nil {
			if strings.Contains(strings.ToLower(c.Use), "url") {
				t.Errorf("%s: names a URL, and has no flag --store", c.CommandPath())
			}
			return
		}
		withStore++
		if !strings.Contains(c.Use, "--store URL") || !strings.Contains(c.Long, "Store URLs:\n") || !strings.Contains(flag.Usage, "COATCHECK_STORE") {
			t.Errorf("%s: does not explain --store URL", c.CommandPath())
		}
		store := "redis://bob:hunter2@localhost"
		if err := c.ValidateArgs([]string{store}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a store as an argument: %v", c.CommandPath(), err)
		}
		if err := c.ValidateArgs([]string{store, store}); err == nil || !strings.Contains(err.Error(), "a store is given as --store URL or in COATCHECK_STORE") {
			t.Errorf("%s: a store as an argument: %v", c.CommandPath(), err)
		}
	}
	look(cli.Root())
	if withStore < 8 {
		t.Errorf("%d commands have a store, want all eight and more", withStore)
	}
}
