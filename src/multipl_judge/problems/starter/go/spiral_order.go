package main

import "fmt"

// spiralOrder returns the numbers of a table in a clockwise spiral.
// The spiral starts at the top left, runs along the outside and ends in the middle. All rows
// are of the same length, which is at least 1; there may be no rows.
//
//	spiralOrder([][]int{{1, 2, 3}, {4, 5, 6}}) // []int{1, 2, 3, 6, 5, 4}
func spiralOrder(rows [][]int) []int {
// --- solution
	spiral := []int{}
	if len(rows) == 0 {
		return spiral
	}
	top, left, bottom, right := 0, 0, len(rows)-1, len(rows[0])-1
	for top <= bottom && left <= right {
		spiral = append(spiral, rows[top][left:right+1]...)
		for row := top + 1; row <= bottom; row++ {
			spiral = append(spiral, rows[row][right])
		}
		for column := right - 1; top < bottom && column >= left; column-- {
			spiral = append(spiral, rows[bottom][column])
		}
		for row := bottom - 1; left < right && row > top; row-- {
			spiral = append(spiral, rows[row][left])
		}
		top, left, bottom, right = top+1, left+1, bottom-1, right-1
	}
	return spiral
}
