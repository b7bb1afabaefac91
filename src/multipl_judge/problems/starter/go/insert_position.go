package main

// insertPosition returns the index of the first number that is not below target.
// The numbers are in ascending order. If all are below target, the result is how many there
// are.
//
//	insertPosition([]int{10, 20, 30}, 20) == 1
//	insertPosition([]int{10, 20, 30}, 25) == 2
func insertPosition(numbers []int, target int) int {
// --- solution
	low, high := 0, len(numbers)
	for low < high {
		middle := (low + high) / 2
		if numbers[middle] < target {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}
