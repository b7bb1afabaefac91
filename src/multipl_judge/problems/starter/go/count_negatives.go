package main

// countNegatives returns how many of the given numbers are below zero.
//
//	countNegatives([]int{3, -1, -2}) == 2
func countNegatives(numbers []int) int {
// --- solution
	count := 0
	for _, number := range numbers {
		if number < 0 {
			count++
		}
	}
	return count
}
