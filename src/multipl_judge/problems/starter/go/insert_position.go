package main

import "testing"

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
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		numbers      []int
		target, want int
	}{
		{[]int{10, 20, 30}, 20, 1},
		{[]int{10, 20, 30}, 25, 2},
		{[]int{}, 5, 0},
		{[]int{10, 20}, 99, 2},
		{[]int{10, 20}, -1, 0},
		{[]int{4, 4, 4, 4, 9}, 4, 0},
		{[]int{1, 4, 4, 4, 9}, 4, 1},
		{[]int{1}, 1, 0},
		{[]int{1, 2, 2, 2, 2, 2, 2, 3}, 3, 7},
	}
	for _, c := range cases {
		if got := insertPosition(c.numbers, c.target); got != c.want {
			t.Fatalf("insertPosition(%v, %v) = %v, want %v", c.numbers, c.target, got, c.want)
		}
	}
}
