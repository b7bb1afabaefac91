package main

import (
	"fmt"
	"testing"
)

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
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		numbers, want []int
	}{
		{[]int{3, 1, 3, 2, 1}, []int{3, 1, 2}},
		{[]int{}, []int{}},
		{[]int{5, 5, 5}, []int{5}},
		{[]int{9, -9, 0}, []int{9, -9, 0}},
		{[]int{1, 2, 2, 1, 3}, []int{1, 2, 3}},
	}
	for _, c := range cases {
		got, want := fmt.Sprint(uniqueInOrder(c.numbers)), fmt.Sprint(c.want)
		if got != want {
			t.Fatalf("uniqueInOrder(%v) = %s, want %s", c.numbers, got, want)
		}
	}
}
