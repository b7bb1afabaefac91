/// Returns the numbers of a table in a clockwise spiral.
///
/// The spiral starts at the top left, runs along the outside and ends in the middle. All rows
/// are of the same length, which is at least 1; there may be no rows.
///
/// ```
/// assert_eq!(spiral_order(&[vec![1, 2, 3], vec![4, 5, 6]]), [1, 2, 3, 6, 5, 4]);
/// ```
fn spiral_order(rows: &[Vec<i32>]) -> Vec<i32> {
// --- solution
    let mut spiral = Vec::new();
    let mut rest = rows.to_vec();
    while !rest.is_empty() {
        spiral.extend(rest.remove(0));
        let width = rest.first().map_or(0, Vec::len);
        rest = (0..width)
            .rev()
            .map(|column| rest.iter().map(|row| row[column]).collect())
            .collect();
    }
    spiral
}
