/// Returns the area of a rectangle with the given sides.
///
/// ```
/// assert_eq!(rectangle_area(3, 4), 12);
/// ```
fn rectangle_area(width: i32, height: i32) -> i32 {
// --- solution
    width * height
}
