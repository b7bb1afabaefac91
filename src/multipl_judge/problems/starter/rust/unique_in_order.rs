use std::collections::HashSet;

/// Returns the given numbers without repeats.
///
/// Of equal numbers only the first is kept; the order stays.
///
/// ```
/// assert_eq!(unique_in_order(&[3, 1, 3, 2, 1]), [3, 1, 2]);
/// ```
fn unique_in_order(numbers: &[i32]) -> Vec<i32> {
// --- solution
    let mut seen = HashSet::new();
    numbers
        .iter()
        .copied()
        .filter(|&number| seen.insert(number))
        .collect()
}
// --- tests
fn tests() {
    assert_eq!(unique_in_order(&[3, 1, 3, 2, 1]), [3, 1, 2]);
    assert!(unique_in_order(&[]).is_empty());
    assert_eq!(unique_in_order(&[5, 5, 5]), [5]);
    assert_eq!(unique_in_order(&[9, -9, 0]), [9, -9, 0]);
    assert_eq!(unique_in_order(&[1, 2, 2, 1, 3]), [1, 2, 3]);
}
