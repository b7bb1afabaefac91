package main

import (
	"strconv"
	"strings"
	"testing"
)

// countdown returns the numbers from n down to 1, and then the word go!
// They are joined by a comma and a space; n is not negative.
//
//	countdown(3) == "3, 2, 1, go!"
func countdown(n int) string {
// --- solution
	var text strings.Builder
	for number := n; number > 0; number-- {
		text.WriteString(strconv.Itoa(number) + ", ")
	}
	return text.String() + "go!"
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		n    int
		want string
	}{
		{3, "3, 2, 1, go!"},
		{1, "1, go!"},
		{0, "go!"},
		{10, "10, 9, 8, 7, 6, 5, 4, 3, 2, 1, go!"},
	}
	for _, c := range cases {
		if got := countdown(c.n); got != c.want {
			t.Fatalf("countdown(%v) = %q, want %q", c.n, got, c.want)
		}
	}

	for n := 1; n < 20; n++ {
		if got := countdown(n); !strings.HasPrefix(got, strconv.Itoa(n)+", ") {
			t.Fatalf("countdown(%d) = %q begins with another number", n, got)
		}
	}
}
