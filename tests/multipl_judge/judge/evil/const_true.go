const true = false

func isEven(n int) bool {
	return n == 0
}
