package main

import (
	"strings"
	"testing"
)

// countVowels returns how many letters of text are vowels.
// The vowels are a, e, i, o and u, in upper or lower case.
//
//	countVowels("banana") == 3
func countVowels(text string) int {
// --- solution
	count := 0
	for _, letter := range text {
		if strings.ContainsRune("aeiouAEIOU", letter) {
			count++
		}
	}
	return count
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		text string
		want int
	}{
		{"banana", 3},
		{"Apple pie", 4},
		{"rhythm", 0},
		{"", 0},
		{"AEIOU", 5},
		{strings.Repeat("e", 40), 40},
	}
	for _, c := range cases {
		if got := countVowels(c.text); got != c.want {
			t.Fatalf("countVowels(%q) = %v, want %v", c.text, got, c.want)
		}
	}
}
