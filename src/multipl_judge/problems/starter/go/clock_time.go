package main

import (
	"fmt"
	"testing"
)

// clockTime returns a number of seconds as hours, minutes and seconds.
// Minutes and seconds have two digits each, hours as many as they need.
//
//	clockTime(3665) == "1:01:05"
func clockTime(seconds int) string {
// --- solution
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
// --- tests
func tests(t *testing.T) {
	cases := []struct {
		seconds int
		want    string
	}{
		{3665, "1:01:05"},
		{59, "0:00:59"},
		{0, "0:00:00"},
		{600, "0:10:00"},
		{86399, "23:59:59"},
		{360000, "100:00:00"},
	}
	for _, c := range cases {
		call := fmt.Sprintf("clockTime(%v)", c.seconds)
		if got := clockTime(c.seconds); got != c.want {
			t.Fatalf("%s = %q, want %q", call, got, c.want)
		}
	}
}
