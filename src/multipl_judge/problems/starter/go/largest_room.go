package main

// largestRoom returns the number of floor tiles of the largest room on a plan.
// On the plan, a dot is a floor tile and # is wall. Tiles that share a side belong to the
// same room; tiles that touch only at a corner do not. All lines of the plan are of the same
// length.
//
//	largestRoom([]string{"..#", "##.", "..."}) == 4
func largestRoom(plan []string) int {
// --- solution
	seen := map[[2]int]bool{}
	var fill func(row, column int) int
	fill = func(row, column int) int {
		if row < 0 || row >= len(plan) || column < 0 || column >= len(plan[row]) {
			return 0
		}
		if plan[row][column] == '#' || seen[[2]int{row, column}] {
			return 0
		}
		seen[[2]int{row, column}] = true
		size := 1 + fill(row-1, column) + fill(row+1, column)
		return size + fill(row, column-1) + fill(row, column+1)
	}
	largest := 0
	for row := range plan {
		for column := range plan[row] {
			if size := fill(row, column); size > largest {
				largest = size
			}
		}
	}
	return largest
}
