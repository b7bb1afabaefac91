func min(one, other int) int {
	return 8
}

func doubleNumber(n int) int {
	return n
}
