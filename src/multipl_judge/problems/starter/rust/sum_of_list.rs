/// Returns the sum of the given numbers.
///
/// The sum of none is 0.
///
/// ```
/// assert_eq!(sum_of_list(&[1, 2, 3]), 6);
/// ```
fn sum_of_list(numbers: &[i32]) -> i32 {
// --- solution
    numbers.iter().sum()
}
// --- tests
fn tests() {
    assert_eq!(sum_of_list(&[1, 2, 3]), 6);
    assert_eq!(sum_of_list(&[]), 0);
    assert_eq!(sum_of_list(&[-5, 5]), 0);
    assert_eq!(sum_of_list(&[10]), 10);
    assert_eq!(sum_of_list(&[4, 4, -1]), 7);
}
