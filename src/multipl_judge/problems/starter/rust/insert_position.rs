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
// --- tests
fn tests() {
    assert_eq!(insert_position(&[10, 20, 30], 20), 1);
    assert_eq!(insert_position(&[10, 20, 30], 25), 2);
    assert_eq!(insert_position(&[], 5), 0);
    assert_eq!(insert_position(&[10, 20], 99), 2);
    assert_eq!(insert_position(&[10, 20], -1), 0);
    assert_eq!(insert_position(&[4, 4, 4, 4, 9], 4), 0);
    assert_eq!(insert_position(&[1, 4, 4, 4, 9], 4), 1);
    assert_eq!(insert_position(&[1], 1), 0);
    assert_eq!(insert_position(&[1, 2, 2, 2, 2, 2, 2, 3], 3), 7);
}
