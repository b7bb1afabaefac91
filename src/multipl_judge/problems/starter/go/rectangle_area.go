package main

// rectangleArea returns the area of a rectangle with the given sides.
//
//	rectangleArea(3, 4) == 12
func rectangleArea(width, height int) int {
// --- solution
	return width * height
}
