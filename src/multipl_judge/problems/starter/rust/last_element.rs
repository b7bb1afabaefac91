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
// --- tests
fn tests() {
    assert_eq!(last_element(&[3, 1, 2]), 2);
    assert_eq!(last_element(&[5]), 5);
    assert_eq!(last_element(&[1, 9, -4]), -4);
    assert_eq!(last_element(&[2, 8, 0]), 0);
}
