import (
	"runtime"
)

func doubleNumber(n int) int {
	runtime.Goexit()
	return n
}
