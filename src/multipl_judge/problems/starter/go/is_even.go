package main

import "testing"

// isEven returns whether n is an even number.
//
//	isEven(4) == true
//	isEven(7) == false
func isEven(n int) bool {
// --- solution
	return n%2 == 0
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		n    int
		want bool
	}{
		{4, true},
		{7, false},
		{0, true},
		{-2, true},
		{-3, false},
	}
	for _, c := range cases {
		if got := isEven(c.n); got != c.want {
			t.Fatalf("isEven(%v) = %v, want %v", c.n, got, c.want)
		}
	}
}
