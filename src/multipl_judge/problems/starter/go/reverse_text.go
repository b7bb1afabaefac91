package main

import "testing"

// reverseText returns text with its letters in reverse order.
//
//	reverseText("drawer") == "reward"
func reverseText(text string) string {
// --- solution
	letters := []rune(text)
	for i, j := 0, len(letters)-1; i < j; i, j = i+1, j-1 {
		letters[i], letters[j] = letters[j], letters[i]
	}
	return string(letters)
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		text, want string
	}{
		{"drawer", "reward"},
		{"ab c", "c ba"},
		{"", ""},
		{"x", "x"},
		{"Noon", "nooN"},
	}
	for _, c := range cases {
		if got := reverseText(c.text); got != c.want {
			t.Fatalf("reverseText(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}
