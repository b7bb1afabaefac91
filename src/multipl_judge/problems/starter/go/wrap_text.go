package main

import (
	"fmt"
	"strings"
	"testing"
)

// wrapText returns the words of text in lines of at most width characters.
// Words are separated by spaces; each line takes as many as fit, with one space between two.
// A word that is longer than width has a line of its own.
//
//	wrapText("the quick brown fox", 10) // []string{"the quick", "brown fox"}
func wrapText(text string, width int) []string {
// --- solution
	lines := []string{}
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && len(lines[last])+1+len(word) <= width {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		text  string
		width int
		want  []string
	}{
		{"the quick brown fox", 10, []string{"the quick", "brown fox"}},
		{"a bb ccc", 4, []string{"a bb", "ccc"}},
		{"", 5, []string{}},
		{"tiny extraordinary word", 6, []string{"tiny", "extraordinary", "word"}},
		{"  many   spaces ", 80, []string{"many spaces"}},
		{"aa bb", 5, []string{"aa bb"}},
		{"aa bb", 4, []string{"aa", "bb"}},
		{strings.Repeat("x", 9), 4, []string{"xxxxxxxxx"}},
	}
	for _, c := range cases {
		got, want := fmt.Sprintf("%q", wrapText(c.text, c.width)), fmt.Sprintf("%q", c.want)
		if got != want {
			t.Fatalf("wrapText(%q, %v) = %s, want %s", c.text, c.width, got, want)
		}
	}
}
