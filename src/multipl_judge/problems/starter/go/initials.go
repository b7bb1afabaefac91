package main

import (
	"strings"
	"testing"
)

// initials returns the first letter of each word of name, in upper case.
// Words are separated by one or more spaces.
//
//	initials("grace hopper") == "GH"
func initials(name string) string {
// --- solution
	letters := ""
	for _, word := range strings.Fields(name) {
		letters += strings.ToUpper(word[:1])
	}
	return letters
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		name, want string
	}{
		{"grace hopper", "GH"},
		{"Ada", "A"},
		{"  jean luc  de la tour ", "JLDLT"},
		{"", ""},
		{strings.Repeat(" ", 5), ""},
	}
	for _, c := range cases {
		if got := initials(c.name); got != c.want {
			t.Fatalf("initials(%q) = %q, want %q", c.name, got, c.want)
		}
	}
}
