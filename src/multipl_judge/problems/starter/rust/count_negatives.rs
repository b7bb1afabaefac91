/// Returns how many of the given numbers are below zero.
///
/// ```
/// assert_eq!(count_negatives(&[3, -1, -2]), 2);
/// ```
fn count_negatives(numbers: &[i32]) -> usize {
// --- solution
    numbers.iter().filter(|&&number| number < 0).count()
}
// --- tests
fn tests() {
    assert_eq!(count_negatives(&[3, -1, -2]), 2);
    assert_eq!(count_negatives(&[0, 5]), 0);
    assert_eq!(count_negatives(&[]), 0);
    assert_eq!(count_negatives(&[-7, -7, 0, 7]), 2);
}
