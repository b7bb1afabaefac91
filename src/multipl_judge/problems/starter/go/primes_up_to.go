package main

import (
	"fmt"
	"testing"
)

// primesUpTo returns all prime numbers from 2 to n, n included, in ascending order.
//
//	primesUpTo(10) // []int{2, 3, 5, 7}
func primesUpTo(n int) []int {
// --- solution
	primes := []int{}
	for number := 2; number <= n; number++ {
		isPrime := true
		for _, prime := range primes {
			if number%prime == 0 {
				isPrime = false
				break
			}
		}
		if isPrime {
			primes = append(primes, number)
		}
	}
	return primes
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		n    int
		want []int
	}{
		{10, []int{2, 3, 5, 7}},
		{13, []int{2, 3, 5, 7, 11, 13}},
		{2, []int{2}},
		{1, []int{}},
		{-4, []int{}},
		{30, []int{2, 3, 5, 7, 11, 13, 17, 19, 23, 29}},
	}
	for _, c := range cases {
		got, want := fmt.Sprint(primesUpTo(c.n)), fmt.Sprint(c.want)
		if got != want {
			t.Fatalf("primesUpTo(%v) = %s, want %s", c.n, got, want)
		}
	}
}
