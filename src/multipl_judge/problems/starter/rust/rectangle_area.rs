/// Returns the area of a rectangle with the given sides.
///
/// ```
/// assert_eq!(rectangle_area(3, 4), 12);
/// ```
fn rectangle_area(width: i32, height: i32) -> i32 {
// --- solution
    width * height
}
// --- tests
fn tests() {
    assert_eq!(rectangle_area(3, 4), 12);
    assert_eq!(rectangle_area(5, 5), 25);
    assert_eq!(rectangle_area(7, 0), 0);
    assert_eq!(rectangle_area(1, 9), 9);
}
