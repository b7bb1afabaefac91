package main

import "testing"

// largerNumber returns the larger of the two numbers.
//
//	largerNumber(3, 8) == 8
func largerNumber(a, b int) int {
// --- solution
	if a > b {
		return a
	}
	return b
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		a, b, want int
	}{
		{3, 8, 8},
		{8, 3, 8},
		{-2, -9, -2},
		{5, 5, 5},
		{-1, 0, 0},
	}
	for _, c := range cases {
		if got := largerNumber(c.a, c.b); got != c.want {
			t.Fatalf("largerNumber(%v, %v) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
