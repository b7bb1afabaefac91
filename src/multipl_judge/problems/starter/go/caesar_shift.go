package main

import "strings"

// caesarShift returns text with each letter moved by shift places in the alphabet.
// After z comes a again; upper and lower case are kept, and so is all that is no letter. A
// negative shift moves backwards.
//
//	caesarShift("Hello, xyz!", 3) == "Khoor, abc!"
//	caesarShift("abc", -1) == "zab"
func caesarShift(text string, shift int) string {
// --- solution
	places := rune((shift%26 + 26) % 26)
	return strings.Map(func(letter rune) rune {
		switch {
		case 'a' <= letter && letter <= 'z':
			return (letter-'a'+places)%26 + 'a'
		case 'A' <= letter && letter <= 'Z':
			return (letter-'A'+places)%26 + 'A'
		}
		return letter
	}, text)
}
