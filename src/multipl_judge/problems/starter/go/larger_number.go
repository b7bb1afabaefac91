package main

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
