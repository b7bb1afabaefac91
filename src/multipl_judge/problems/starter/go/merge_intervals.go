package main

import (
	"fmt"
	"sort"
	"testing"
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
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		intervals, want [][2]int
	}{
		{[][2]int{{5, 8}, {1, 3}, {2, 4}}, [][2]int{{1, 4}, {5, 8}}},
		{[][2]int{{1, 2}, {2, 3}}, [][2]int{{1, 3}}},
		{[][2]int{{1, 2}, {3, 4}}, [][2]int{{1, 2}, {3, 4}}},
		{[][2]int{}, [][2]int{}},
		{[][2]int{{1, 9}, {2, 3}, {4, 5}}, [][2]int{{1, 9}}},
		{[][2]int{{0, 0}, {-5, -1}}, [][2]int{{-5, -1}, {0, 0}}},
		{[][2]int{{4, 6}, {4, 6}, {3, 4}}, [][2]int{{3, 6}}},
	}
	for _, c := range cases {
		got, want := fmt.Sprint(mergeIntervals(c.intervals)), fmt.Sprint(c.want)
		if got != want {
			t.Fatalf("mergeIntervals(%v) = %s, want %s", c.intervals, got, want)
		}
	}

	got := mergeIntervals([][2]int{{9, 9}, {7, 7}, {5, 5}, {3, 3}, {1, 1}})
	if !sort.SliceIsSorted(got, func(i, j int) bool { return got[i][0] < got[j][0] }) {
		t.Fatalf("mergeIntervals left %v unsorted", got)
	}
}
