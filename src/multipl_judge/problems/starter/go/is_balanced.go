package main

// isBalanced returns whether the brackets in text are balanced.
// Each of ( [ { needs its own closing ) ] } in the right order; all other characters are
// ignored.
//
//	isBalanced("a(b[c]{d})") == true
//	isBalanced("(]") == false
func isBalanced(text string) bool {
// --- solution
	opening := map[rune]rune{')': '(', ']': '[', '}': '{'}
	stack := []rune{}
	for _, letter := range text {
		switch letter {
		case '(', '[', '{':
			stack = append(stack, letter)
		case ')', ']', '}':
			if len(stack) == 0 || stack[len(stack)-1] != opening[letter] {
				return false
			}
			stack = stack[:len(stack)-1]
		}
	}
	return len(stack) == 0
}
