package main

// isEven returns whether n is an even number.
//
//	isEven(4) == true
//	isEven(7) == false
func isEven(n int) bool {
// --- solution
	return n%2 == 0
}
