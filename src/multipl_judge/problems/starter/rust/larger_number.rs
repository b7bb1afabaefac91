/// Returns the larger of the two numbers.
///
/// ```
/// assert_eq!(larger_number(3, 8), 8);
/// ```
fn larger_number(a: i32, b: i32) -> i32 {
// --- solution
    a.max(b)
}
