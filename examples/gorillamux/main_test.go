package main

import (
	"testing"

	"github.com/coatcheck/coatcheck/examples/internal/visit"
)

func TestQuickstart(t *testing.T) { visit.Quickstart(t, routes(visit.Sessions(t))) }

// G4: nothing is stored after a panic, whoever recovers, and nobody is logged in.
func TestPanic(t *testing.T) { visit.Panic(t, routes(visit.Sessions(t))) }
