/// Returns the last of the given numbers.
///
/// There is at least one.
///
/// ```
/// assert_eq!(last_element(&[3, 1, 2]), 2);
/// ```
fn last_element(numbers: &[i32]) -> i32 {
// --- solution
    numbers[numbers.len() - 1]
}
