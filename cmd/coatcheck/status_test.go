package main

import (
	"testing"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/cli"
)

// The scripts tell success from failure; this is which failure.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	unset := func(string) string { return "" }
	for _, c := range []struct {
		want int
		args []string
	}{
		{0, []string{"help"}},
		{0, []string{"serve", "--help"}},
		{0, []string{"version"}},
		{1, []string{"serve", "--addr", "256.0.0.1:0", "--store", "memory:"}},
		{2, nil},
		{2, []string{"sevre"}},
		{2, []string{"help", "sevre"}},
		{2, []string{"keygen", "--bits"}},
		{2, []string{"serve", "argument"}},
		{2, []string{"serve", "--addr", "8080"}},
		{2, []string{"serve", "--store", "ftp:"}},
		{0, []string{"store", "--help"}},
		{0, []string{"help", "store"}},
		{0, []string{"help", "store", "check"}},
		{0, []string{"store", "check", "--store", "memory:"}},
		{1, []string{"store", "check", "--store", "sqlite:missing/missing.db"}},
		{1, []string{"store", "stats", "--store", "redis://localhost:1"}},
		{2, []string{"store"}},
		{2, []string{"store", "chekc"}},
		{2, []string{"store", "check"}},
		{2, []string{"store", "check", "--store", "ftp:"}},
		{2, []string{"sessions", "list", "--user", "123"}},
		{2, []string{"sessions", "revoke", "--store", "memory:", "--all"}},
		{1, []string{"sessions", "revoke", "--store", "sqlite:missing/missing.db", "--user", "123", "--handle", "x"}},
		{2, []string{"sessions", "revoke", "--store", "memory:", "--user", "123", "--all"}},
		{2, []string{"store", "check", "memory:"}},
		{1, []string{"inspect", ""}},
		{2, []string{"inspect", "a=b", "c=d"}},
	} {
		if got := cli.Run(t.Context(), c.args, nil, t.Output(), t.Output(), unset); got != c.want {
			t.Errorf("coatcheck %q: got exit status %d, want %d", c.args, got, c.want)
		}
	}
}
