package main

import "testing"

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
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		numbers []int
		want    int
	}{
		{[]int{1, 2, 3}, 6},
		{[]int{}, 0},
		{[]int{-5, 5}, 0},
		{[]int{10}, 10},
		{[]int{4, 4, -1}, 7},
	}
	for _, c := range cases {
		if got := sumOfList(c.numbers); got != c.want {
			t.Fatalf("sumOfList(%v) = %v, want %v", c.numbers, got, c.want)
		}
	}
}
