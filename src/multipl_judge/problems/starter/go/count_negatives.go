package main

import "testing"

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
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		numbers []int
		want    int
	}{
		{[]int{3, -1, -2}, 2},
		{[]int{0, 5}, 0},
		{[]int{}, 0},
		{[]int{-7, -7, 0, 7}, 2},
	}
	for _, c := range cases {
		if got := countNegatives(c.numbers); got != c.want {
			t.Fatalf("countNegatives(%v) = %v, want %v", c.numbers, got, c.want)
		}
	}
}
