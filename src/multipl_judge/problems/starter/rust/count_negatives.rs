/// Returns how many of the given numbers are below zero.
///
/// ```
/// assert_eq!(count_negatives(&[3, -1, -2]), 2);
/// ```
fn count_negatives(numbers: &[i32]) -> usize {
// --- solution
    numbers.iter().filter(|&&number| number < 0).count()
}
