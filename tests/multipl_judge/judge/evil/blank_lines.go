package main

import (
	"os"
	"strings"
	"testing"
)

func doubleNumber(n int) int {
	os.Stdout.WriteString(strings.Repeat("\n", 900000))
	os.Exit(1)
	return n
}
