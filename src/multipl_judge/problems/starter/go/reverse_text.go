package main

// reverseText returns text with its letters in reverse order.
//
//	reverseText("drawer") == "reward"
func reverseText(text string) string {
// --- solution
	letters := []rune(text)
	for i, j := 0, len(letters)-1; i < j; i, j = i+1, j-1 {
		letters[i], letters[j] = letters[j], letters[i]
	}
	return string(letters)
}
