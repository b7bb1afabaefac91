package main

import "fmt"

// clockTime returns a number of seconds as hours, minutes and seconds.
// Minutes and seconds have two digits each, hours as many as they need.
//
//	clockTime(3665) == "1:01:05"
func clockTime(seconds int) string {
// --- solution
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
