// Package docsite builds the documentation site and looks for dead links in it.
package docsite
