package main

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
