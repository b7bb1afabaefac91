package main

import (
	"strconv"
	"strings"
	"testing"
)

// runLength returns text with each run of an equal letter as its length and the letter.
// A letter that stands alone gets no number. The text holds letters only.
//
//	runLength("aaab") == "3ab"
//	runLength("xyz") == "xyz"
func runLength(text string) string {
// --- solution
	var runs strings.Builder
	for start, end := 0, 0; start < len(text); start = end {
		for end < len(text) && text[end] == text[start] {
			end++
		}
		if end-start > 1 {
			runs.WriteString(strconv.Itoa(end - start))
		}
		runs.WriteByte(text[start])
	}
	return runs.String()
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		text, want string
	}{
		{"aaab", "3ab"},
		{"xyz", "xyz"},
		{"", ""},
		{"aabbaa", "2a2b2a"},
		{"Qq", "Qq"},
		{"abbbb", "a4b"},
		{strings.Repeat("z", 12), "12z"},
	}
	for _, c := range cases {
		if got := runLength(c.text); got != c.want {
			t.Fatalf("runLength(%q) = %q, want %q", c.text, got, c.want)
		}
	}

	for n := 2; n < 20; n++ {
		want := strconv.Itoa(n) + "x"
		if got := runLength(strings.Repeat("x", n)); got != want {
			t.Fatalf("runLength of %d times x is %q, want %q", n, got, want)
		}
	}
}
