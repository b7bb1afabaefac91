type int int64

func (n int) String() string {
	return ""
}

func doubleNumber(n int) int {
	return n
}
