/// Returns the columns of a table as its new rows.
///
/// All rows are of the same length, which is at least 1; there may be no rows.
///
/// ```
/// assert_eq!(transpose(&[vec![1, 2, 3], vec![4, 5, 6]]), [[1, 4], [2, 5], [3, 6]]);
/// ```
fn transpose(rows: &[Vec<i32>]) -> Vec<Vec<i32>> {
// --- solution
    let width = rows.first().map_or(0, Vec::len);
    (0..width)
        .map(|column| rows.iter().map(|row| row[column]).collect())
        .collect()
}
