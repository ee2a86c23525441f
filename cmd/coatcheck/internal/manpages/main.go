// Command manpages writes the man pages of coatcheck into the folder that is its
// argument. make install runs it.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra/doc"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "manpages: want one argument, the folder for the pages")
		os.Exit(2)
	}
	// The date is that of SOURCE_DATE_EPOCH where it is set, so that a package is
	// the same however often it is built.
	header := &doc.GenManHeader{Section: "1", Source: "coatcheck", Manual: "coatcheck"}
	if err := doc.GenManTree(cli.Root(), header, os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "manpages: %v\n", err)
		os.Exit(1)
	}
}
