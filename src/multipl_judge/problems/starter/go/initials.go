package main

import "strings"

// initials returns the first letter of each word of name, in upper case.
// Words are separated by one or more spaces.
//
//	initials("grace hopper") == "GH"
func initials(name string) string {
// --- solution
	letters := ""
	for _, word := range strings.Fields(name) {
		letters += strings.ToUpper(word[:1])
	}
	return letters
}
