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
