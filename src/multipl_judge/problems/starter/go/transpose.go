package main

import "fmt"

// transpose returns the columns of a table as its new rows.
// All rows are of the same length, which is at least 1; there may be no rows.
//
//	transpose([][]int{{1, 2, 3}, {4, 5, 6}}) // [][]int{{1, 4}, {2, 5}, {3, 6}}
func transpose(rows [][]int) [][]int {
// --- solution
	columns := [][]int{}
	for i, row := range rows {
		for j, value := range row {
			if i == 0 {
				columns = append(columns, []int{})
			}
			columns[j] = append(columns[j], value)
		}
	}
	return columns
}
