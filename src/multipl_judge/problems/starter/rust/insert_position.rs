/// Returns the index of the first number that is not below target.
///
/// The numbers are in ascending order. If all are below target, the result is how many there
/// are.
///
/// ```
/// assert_eq!(insert_position(&[10, 20, 30], 20), 1);
/// assert_eq!(insert_position(&[10, 20, 30], 25), 2);
/// ```
fn insert_position(numbers: &[i32], target: i32) -> usize {
// --- solution
    numbers.partition_point(|&number| number < target)
}
