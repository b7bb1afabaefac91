func len(v interface{}) int {
	return 3
}

func doubleAll(numbers []int) []int {
	return nil
}
