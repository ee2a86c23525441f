package cli

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
)

var versionCommand = command{
	name:    "version",
	summary: "print the version",
	about:   "Prints the version of this program, of the Go release that built it, and the system it is for.",
	notes: `Example:
  coatcheck version

Exit status: 0; 2 for a wrong command line.
`,
	prepare: func(*flag.FlagSet) action {
		return func(_ context.Context, io stdio, _ []string) error {
			_, err := fmt.Fprintf(io.out, "coatcheck %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		}
	},
}

// version is the module's version; where the program was built in a checkout,
// as far as the go command recorded it, the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	return cmp.Or(info.Main.Version, "(devel)")
}
