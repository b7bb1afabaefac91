package main

import (
	"fmt"
	"sort"
)

// mergeIntervals returns the given intervals with those that overlap or touch made one.
// Each is a start and an end; they come in any order and leave in the order of their starts.
//
//	mergeIntervals([][2]int{{5, 8}, {1, 3}, {2, 4}}) // [][2]int{{1, 4}, {5, 8}}
func mergeIntervals(intervals [][2]int) [][2]int {
// --- solution
	sorted := append([][2]int{}, intervals...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i][0] < sorted[j][0] })
	merged := [][2]int{}
	for _, interval := range sorted {
		last := len(merged) - 1
		if last < 0 || interval[0] > merged[last][1] {
			merged = append(merged, interval)
		} else if interval[1] > merged[last][1] {
			merged[last][1] = interval[1]
		}
	}
	return merged
}
