package cli

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"
)

func newKeygen(std stdio) *cobra.Command {
	var env bool
	c := &cobra.Command{
		Use:   "keygen [--env]",
		Short: "make a secret for SECRET_KEY",
		Long: `Prints a new secret of 256 random bits, as 43 characters of base64url. Keep it
out of the source code and out of version control.

To replace a secret without logging anybody out, take three steps, each on all
instances before the next:

    1. SECRET_KEY=old  SECRET_KEY_FALLBACKS=new   all can verify what comes
    2. SECRET_KEY=new  SECRET_KEY_FALLBACKS=old   the new one signs
    3. SECRET_KEY=new                             when the longest lifetime of a
                                                  cookie or session is over

In SECRET_KEY_FILE the first line signs: old, new; then new, old; then new.

Exit status: 0; 1 if it could not be written; 2 for a wrong command line.`,
		Example: `  export SECRET_KEY=$(coatcheck keygen)
  (umask 077; coatcheck keygen > secret) && SECRET_KEY_FILE=secret coatcheck serve
  (umask 077; coatcheck keygen --env >> .env)`,
		Args: none,
		RunE: func(*cobra.Command, []string) error {
			prefix := ""
			if env {
				prefix = "SECRET_KEY="
			}
			_, err := fmt.Fprintf(std.out, "%s%s\n", prefix, newSecret())
			warnReadable(std)
			return err
		},
	}
	c.Flags().BoolVar(&env, "env", false, "print SECRET_KEY=... for a file of variables")
	return c
}

// warnReadable tells where the secret went into a file that others may read.
func warnReadable(io stdio) {
	f, ok := io.out.Writer.(*os.File)
	if !ok || runtime.GOOS == "windows" { // where the mode says nothing
		return
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(io.err, "WARNING: others can read the file that the secret went into (mode %v): chmod 600 it, or begin with umask 077\n", info.Mode().Perm())
	}
}

// newSecret returns 256 random bits as text. crypto/rand does not fail.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
