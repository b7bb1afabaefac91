/// Returns whether n is an even number.
///
/// ```
/// assert!(is_even(4));
/// assert!(!is_even(7));
/// ```
fn is_even(n: i32) -> bool {
// --- solution
    n % 2 == 0
}
