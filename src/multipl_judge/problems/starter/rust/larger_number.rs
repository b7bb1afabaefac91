/// Returns the larger of the two numbers.
///
/// ```
/// assert_eq!(larger_number(3, 8), 8);
/// ```
fn larger_number(a: i32, b: i32) -> i32 {
// --- solution
    a.max(b)
}
// --- tests
fn tests() {
    assert_eq!(larger_number(3, 8), 8);
    assert_eq!(larger_number(8, 3), 8);
    assert_eq!(larger_number(-2, -9), -2);
    assert_eq!(larger_number(5, 5), 5);
    assert_eq!(larger_number(-1, 0), 0);
}
