/// Returns the number of floor tiles of the largest room on a plan.
///
/// On the plan, a dot is a floor tile and # is wall. Tiles that share a side belong to the
/// same room; tiles that touch only at a corner do not. All lines of the plan are of the same
/// length.
///
/// ```
/// assert_eq!(largest_room(&["..#", "##.", "..."]), 4);
/// ```
fn largest_room(plan: &[&str]) -> usize {
// --- solution
    fn fill(tiles: &mut [Vec<u8>], row: usize, column: usize) -> usize {
        match tiles.get_mut(row).and_then(|line| line.get_mut(column)) {
            Some(tile) if *tile == b'.' => *tile = b'#',
            _ => return 0,
        }
        1 + fill(tiles, row.wrapping_sub(1), column)
            + fill(tiles, row + 1, column)
            + fill(tiles, row, column.wrapping_sub(1))
            + fill(tiles, row, column + 1)
    }

    let mut tiles: Vec<Vec<u8>> = plan.iter().map(|line| line.bytes().collect()).collect();
    let mut largest = 0;
    for row in 0..tiles.len() {
        for column in 0..tiles[row].len() {
            largest = largest.max(fill(&mut tiles, row, column));
        }
    }
    largest
}
