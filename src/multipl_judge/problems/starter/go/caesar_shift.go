package main

import (
	"strings"
	"testing"
)

// caesarShift returns text with each letter moved by shift places in the alphabet.
// After z comes a again; upper and lower case are kept, and so is all that is no letter. A
// negative shift moves backwards.
//
//	caesarShift("Hello, xyz!", 3) == "Khoor, abc!"
//	caesarShift("abc", -1) == "zab"
func caesarShift(text string, shift int) string {
// --- solution
	places := rune((shift%26 + 26) % 26)
	return strings.Map(func(letter rune) rune {
		switch {
		case 'a' <= letter && letter <= 'z':
			return (letter-'a'+places)%26 + 'a'
		case 'A' <= letter && letter <= 'Z':
			return (letter-'A'+places)%26 + 'A'
		}
		return letter
	}, text)
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		text  string
		shift int
		want  string
	}{
		{"Hello, xyz!", 3, "Khoor, abc!"},
		{"abc", -1, "zab"},
		{"", 5, ""},
		{"Zz", 27, "Aa"},
		{"no change", 0, "no change"},
		{"a-B 9", -28, "y-Z 9"},
		{strings.Repeat("m", 30), 13, strings.Repeat("z", 30)},
	}
	for _, c := range cases {
		if got := caesarShift(c.text, c.shift); got != c.want {
			t.Fatalf("caesarShift(%q, %v) = %q, want %q", c.text, c.shift, got, c.want)
		}
	}
}
