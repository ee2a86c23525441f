package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Long: `Prints the version of this program, of the Go release that built it, and the
system it is for.

Exit status: 0; 2 for a wrong command line.`,
		Example: "  coatcheck version",
		Args:    none,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(std.out, "coatcheck %s\n", version())
			return err
		},
	}
}

// version is the module's version; where the program was built in a checkout,
// as far as the go command recorded it, the commit. Behind it are the Go release
// and the system.
func version() string {
	own := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		own = cmp.Or(info.Main.Version, "(devel)")
	}
	return fmt.Sprintf("%s %s %s/%s", own, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
