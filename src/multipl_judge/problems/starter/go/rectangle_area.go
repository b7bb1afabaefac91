package main

import "testing"

// rectangleArea returns the area of a rectangle with the given sides.
//
//	rectangleArea(3, 4) == 12
func rectangleArea(width, height int) int {
// --- solution
	return width * height
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		width, height, want int
	}{
		{3, 4, 12},
		{5, 5, 25},
		{7, 0, 0},
		{1, 9, 9},
	}
	for _, c := range cases {
		if got := rectangleArea(c.width, c.height); got != c.want {
			t.Fatalf("rectangleArea(%v, %v) = %v, want %v", c.width, c.height, got, c.want)
		}
	}
}
