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
