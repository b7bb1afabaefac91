package main

import "fmt"

// uniqueInOrder returns the given numbers without repeats.
// Of equal numbers only the first is kept; the order stays.
//
//	uniqueInOrder([]int{3, 1, 3, 2, 1}) // []int{3, 1, 2}
func uniqueInOrder(numbers []int) []int {
// --- solution
	seen := map[int]bool{}
	unique := []int{}
	for _, number := range numbers {
		if !seen[number] {
			seen[number] = true
			unique = append(unique, number)
		}
	}
	return unique
}
