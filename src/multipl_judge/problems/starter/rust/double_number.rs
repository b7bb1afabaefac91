/// Returns twice n.
///
/// ```
/// assert_eq!(double_number(4), 8);
/// ```
fn double_number(n: i32) -> i32 {
// --- solution
    2 * n
}
