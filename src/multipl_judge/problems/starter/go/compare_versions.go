package main

import (
	"strconv"
	"strings"
)

// compareVersions returns -1, 0 or 1 as version a is older than, equal to or newer than b.
// Versions are whole numbers joined by dots, compared number by number; a number that is
// missing is 0.
//
//	compareVersions("1.10", "1.9") == 1
//	compareVersions("2.0", "2") == 0
func compareVersions(a, b string) int {
// --- solution
	left, right := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; i < len(left) || i < len(right); i++ {
		first, second := 0, 0
		if i < len(left) {
			first, _ = strconv.Atoi(left[i])
		}
		if i < len(right) {
			second, _ = strconv.Atoi(right[i])
		}
		if first < second {
			return -1
		} else if first > second {
			return 1
		}
	}
	return 0
}
