package main

import "fmt"

// greet returns a greeting for the given name.
//
//	greet("Ada") == "Hello, Ada!"
func greet(name string) string {
// --- solution
	return fmt.Sprintf("Hello, %s!", name)
}
