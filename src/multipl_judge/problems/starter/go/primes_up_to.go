package main

import "fmt"

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
