/// Returns the given intervals with those that overlap or touch made one.
///
/// Each is a start and an end; they come in any order and leave in the order of their starts.
///
/// ```
/// assert_eq!(merge_intervals(&[(5, 8), (1, 3), (2, 4)]), [(1, 4), (5, 8)]);
/// ```
fn merge_intervals(intervals: &[(i32, i32)]) -> Vec<(i32, i32)> {
// --- solution
    let mut sorted = intervals.to_vec();
    sorted.sort();
    let mut merged: Vec<(i32, i32)> = Vec::new();
    for (start, end) in sorted {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}
