package main

import (
	"fmt"
	"testing"
)

// greet returns a greeting for the given name.
//
//	greet("Ada") == "Hello, Ada!"
func greet(name string) string {
// --- solution
	return fmt.Sprintf("Hello, %s!", name)
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		name, want string
	}{
		{"Ada", "Hello, Ada!"},
		{"Bo", "Hello, Bo!"},
		{"Mary Ann", "Hello, Mary Ann!"},
		{"", "Hello, !"},
	}
	for _, c := range cases {
		call := fmt.Sprintf("greet(%q)", c.name)
		if got := greet(c.name); got != c.want {
			t.Fatalf("%s = %q, want %q", call, got, c.want)
		}
	}
}
