package main

import "testing"

// lastElement returns the last of the given numbers.
// There is at least one.
//
//	lastElement([]int{3, 1, 2}) == 2
func lastElement(numbers []int) int {
// --- solution
	return numbers[len(numbers)-1]
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		numbers []int
		want    int
	}{
		{[]int{3, 1, 2}, 2},
		{[]int{5}, 5},
		{[]int{1, 9, -4}, -4},
		{[]int{2, 8, 0}, 0},
	}
	for _, c := range cases {
		if got := lastElement(c.numbers); got != c.want {
			t.Fatalf("lastElement(%v) = %v, want %v", c.numbers, got, c.want)
		}
	}
}
