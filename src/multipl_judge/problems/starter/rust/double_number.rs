/// Returns twice n.
///
/// ```
/// assert_eq!(double_number(4), 8);
/// ```
fn double_number(n: i32) -> i32 {
// --- solution
    2 * n
}
// --- tests
fn tests() {
    assert_eq!(double_number(4), 8);
    assert_eq!(double_number(0), 0);
    assert_eq!(double_number(-3), -6);
    assert_eq!(double_number(21), 42);
}
