package main

import (
	"testing"

	"github.com/coatcheck/coatcheck/examples/internal/visit"
)

func TestQuickstart(t *testing.T) { visit.Quickstart(t, routes(visit.Sessions(t))) }
