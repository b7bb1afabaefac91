package main

import "testing"

// doubleNumber returns twice n.
//
//	doubleNumber(4) == 8
func doubleNumber(n int) int {
// --- solution
	return 2 * n
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		n, want int
	}{
		{4, 8},
		{0, 0},
		{-3, -6},
		{21, 42},
	}
	for _, c := range cases {
		if got := doubleNumber(c.n); got != c.want {
			t.Fatalf("doubleNumber(%v) = %v, want %v", c.n, got, c.want)
		}
	}
}
