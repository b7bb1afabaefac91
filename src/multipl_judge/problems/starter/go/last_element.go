package main

// lastElement returns the last of the given numbers.
// There is at least one.
//
//	lastElement([]int{3, 1, 2}) == 2
func lastElement(numbers []int) int {
// --- solution
	return numbers[len(numbers)-1]
}
