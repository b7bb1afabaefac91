package main

import "testing"

// sumOfDigits returns the sum of the decimal digits of n.
// A minus sign is ignored.
//
//	sumOfDigits(472) == 13
func sumOfDigits(n int) int {
// --- solution
	if n < 0 {
		n = -n
	}
	sum := 0
	for ; n > 0; n /= 10 {
		sum += n % 10
	}
	return sum
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		n, want int
	}{
		{472, 13},
		{-35, 8},
		{0, 0},
		{1000, 1},
		{99999, 45},
	}
	for _, c := range cases {
		if got := sumOfDigits(c.n); got != c.want {
			t.Fatalf("sumOfDigits(%v) = %v, want %v", c.n, got, c.want)
		}
	}
}
