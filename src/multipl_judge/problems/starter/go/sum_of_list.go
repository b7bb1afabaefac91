package main

// sumOfList returns the sum of the given numbers.
// The sum of none is 0.
//
//	sumOfList([]int{1, 2, 3}) == 6
func sumOfList(numbers []int) int {
// --- solution
	sum := 0
	for _, number := range numbers {
		sum += number
	}
	return sum
}
