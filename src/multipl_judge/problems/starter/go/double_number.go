package main

// doubleNumber returns twice n.
//
//	doubleNumber(4) == 8
func doubleNumber(n int) int {
// --- solution
	return 2 * n
}
